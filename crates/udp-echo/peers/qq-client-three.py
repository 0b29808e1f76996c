# From the tutorial "SOCKET模块" (seed 002, "QQ聊天 -- client3端").
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial.
# Not changed: the escape codes. \034 is the control character FS; ESC, which begins a colour, is \033.
import socket
import sys

host, port = (sys.argv[1:] or ['127.0.0.1:9999'])[0].rsplit(':', 1)

so = socket.socket(type=socket.SOCK_DGRAM)
ip_port = (host, int(port))
while True:
    info = input('Three:')
    info = ('\034[32m来自Three的消息: %s\034[0,m' % info).encode('UTF-8')
    so.sendto(info,ip_port)
    mag,addr = so.recvfrom(4096)
    print(mag.decode('UTF-8'))
