# From the tutorial "网络编程" (seed 001, §3.3.3, 客户端代码).
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial.
import sys
from socket import *

host, port = (sys.argv[1:] or ['192.168.1.15:8008'])[0].rsplit(':', 1)

client_socket = socket(AF_INET, SOCK_STREAM)
client_socket.connect((host, int(port)))

while True:
    send_data = input('send:')
    if len(send_data) > 0:
        client_socket.send(send_data.encode('utf-8'))
    if send_data == 'exit':
        client_socket.close()
        break

    # 客户端接收服务器返回的数据
    recv_data = client_socket.recv(1024)
    print('服务器：', recv_data.decode('utf-8'))

client_socket.close()
