# From the tutorial "网络编程" (seed 001, §3.3.1 "TCP服务器端代码").
# Changed: the address comes from the command line, IP:PORT.
from socket import *
import sys

host, port = sys.argv[1].rsplit(':', 1)

# 1.创建Server_socket
server_socket = socket(AF_INET, SOCK_STREAM)

# 2.绑定一个IP和端口
host_port = (host, int(port))
server_socket.bind(host_port)

# 3.服务器的Socket监听，listen让Socket处于被动，就可以接受客户端的连接请求
# 参数5代表最多5个客户端被挂起
server_socket.listen(5)

# 4.等待客户端的连接请求
# 当前函数是线程阻塞的函数
new_socket, client_addr = server_socket.accept()

# 5.服务器接受客户端发送过来的数据
# recv一般用于TCP协议的接受数据，recvfrom用于UDP
data = new_socket.recv(1024)  # data是字节数据
print("服务器端接受的数据是：", data.decode('utf-8'))

# 6.服务器端发送数据给客户
new_socket.send('Thank ou!'.encode('utf-8'))

new_socket.close()     # new_socket意味着当前客户端的服务已完成
server_socket.close()  # server_socket意味着整个服务器关闭
