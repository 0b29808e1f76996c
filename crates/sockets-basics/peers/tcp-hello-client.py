# From the tutorial "python网络编程" (seed 000, "socket套接字使用"; the same program is in seed 002,
# "使用套接字 -- TCP"). Changed: the address comes from the command line, IP:PORT. Left out: the lines
# after the close that set SO_REUSEADDR; they belong before a server's bind (lesson reuse-addr).
import socket
import sys

host, port = sys.argv[1].rsplit(':', 1)

sk = socket.socket()           # 创建客户套接字
sk.connect((host, int(port)))    # 尝试连接服务器
sk.send(b'hello!')
ret = sk.recv(1024)         # 对话(发送/接收)
print(ret)
sk.close()            # 关闭客户套接字
