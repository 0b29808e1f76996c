# From the tutorial "python网络编程" (seed 000, "UDP同步时间", the second program).
# Changed: the address comes from the command line, IP:PORT.
import socket
import sys
import time

host, port = sys.argv[1].rsplit(':', 1)

sk = socket.socket(type=socket.SOCK_DGRAM)
tm_format = input('>>>')
while 1:
    sk.sendto(tm_format.encode('utf-8'),(host, int(port)))
    local_tm,addr = sk.recvfrom(1024)
    print(local_tm.decode('utf-8'))
    time.sleep(2)
