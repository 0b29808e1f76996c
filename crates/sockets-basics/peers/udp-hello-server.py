# From the tutorial "SOCKET模块" (seed 002, "使用套接字 -- UDP", server端).
# Changed: the address comes from the command line, IP:PORT.
import socket
import sys

host, port = sys.argv[1].rsplit(':', 1)

udp_sk = socket.socket(type=socket.SOCK_DGRAM)   #创建一个服务器的套接字
udp_sk.bind((host, int(port)))        #绑定服务器套接字
msg,addr = udp_sk.recvfrom(1024)
print(msg)
udp_sk.sendto(b'hi',addr)                 # 对话(接收与发送)
udp_sk.close()                         # 关闭服务器套接字
