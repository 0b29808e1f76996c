# From the tutorial "网络编程" (seed 001, §3.3.2 "TCP客户端代码").
# Changed: the address comes from the command line, IP:PORT.
from socket import *
import sys

host, port = sys.argv[1].rsplit(':', 1)

client_socket = socket(AF_INET, SOCK_STREAM)

# 目标服务器的IP和端口号
server_ip_port = (host, int(port))
client_socket.connect(server_ip_port)

send_data = input('请输入：')
client_socket.send(send_data.encode('utf-8'))

# 接收服务器返回的数据
recv_data = client_socket.recv(1024)

print('客户端接收到服务器的数据为：', recv_data.decode('utf-8'))
client_socket.close()
