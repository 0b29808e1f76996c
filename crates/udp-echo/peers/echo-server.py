# From the tutorial "网络编程" (seed 001, 3.1.3 "echo服务", 服务器端).
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial,
# port 8090 of every address of this machine.
import sys
from socket import *

host, port = (sys.argv[1:] or [':8090'])[0].rsplit(':', 1)

# 客户端可以发送多条数据
# 服务器端收到什么就返回什么


# 1.创建一个服务端的socket
socket_server = socket(AF_INET, SOCK_DGRAM)

# 2.定义服务器端的IP地址和端口号
# 如果服务器是真实的物理服务器，IP地址有很多，所有本机IP都绑定，就使用''
host_port = (host, int(port))

# 3.服务器端的Socket 绑定地址和端口
# 只有绑定了地址和端口，才能称之为服务器的Socket
socket_server.bind(host_port)

while True:

    # 4.接受客户端发送过来的数据,每次接受1KB的数据
    data = socket_server.recvfrom(1024)

    # 5.服务器收到数据之后，原封不动返回，而且是收到哪个客户端的信息，就返回给哪个客户端
    # 里面是一个元组，第一个值是数据内容，第二个值是源IP地址、源端口号
    socket_server.sendto(data[0], data[1])
    print(data[0].decode('utf-8'))


# 6.关闭套接字，释放资源
socket_server.close()
