# From the tutorial "网络编程" (seed 001, 3.1.1 "创建一个UDP客户端"); 2.2 has the same program.
# Changed: the address comes from the command line, IP:PORT; without one it is 127.0.0.1:8090,
# where the tutorial has its author's 192.168.1.15.
import sys
from socket import *

host, port = (sys.argv[1:] or ['127.0.0.1:8090'])[0].rsplit(':', 1)

# 创建一个UDP协议的套接字，然后发送一条数据到网络上的另一个进程
# 1.创建套接字
client_socket = socket(AF_INET, SOCK_DGRAM)

# 2.定义一个接收信息的目标, 端口写6000以上的端口
# 127.0.0.1是目标服务器地址，8080是一个目标服务器端口
server_host_port=(host, int(port))

# 3.准备数据，数据一定是字节数据
# encode表示按照一种编码格式把数据编程字节数组bytes
datas = input('请输入数据：').encode('utf-8')

# 4.发送数据
client_socket.sendto(datas, server_host_port)
print('发送完成')

# 5.关闭套接字，释放系统资源
client_socket.close()
