# From the tutorial "SOCKET模块" (seed 002, "QQ聊天 -- client2端").
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial.
# Not changed: the escape codes. \033 is ESC and begins a colour; the one that should end it is wrong, [0,m for [0m.
import socket
import sys

host, port = (sys.argv[1:] or ['127.0.0.1:9999'])[0].rsplit(':', 1)

so = socket.socket(type=socket.SOCK_DGRAM)      # 定义UDP的套接字
ip_port = (host, int(port))                  # 发送的端口和地址
while True:
    info = input('Two:')
    info = ('\033[32m来自Two的消息: %s\033[0,m' % info).encode('UTF-8')
    so.sendto(info,ip_port)                     # 同样再发送信息的同时也需要发送地址
    mag,addr = so.recvfrom(4096)                # 接收的时候，需要同时接收地址。第一个是值，第二个是地址
    print(mag.decode('UTF-8'))
