# From the tutorial "python网络编程" (seed 000, "UDP同步时间", the first program).
# Changed: the address comes from the command line, IP:PORT.
import socket
import sys
import time

host, port = sys.argv[1].rsplit(':', 1)

sk = socket.socket(type=socket.SOCK_DGRAM)

sk.bind((host, int(port)))

while 1:
    tm_format,addr = sk.recvfrom(1024)
    tm_format = tm_format.decode('utf-8')# %Y-%m\%d %H:%M:%S
    local_tm = time.strftime(tm_format)# 获取到了对应格式的当前时间
    sk.sendto(local_tm.encode('utf-8'),addr)# 返回给客户端

sk.close()
