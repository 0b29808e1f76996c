# From the tutorial "SOCKET模块" (seed 002, "设置时间间隔", client端).
# Changed: the address comes from the command line, IP:PORT.
import socket
import sys

host, port = sys.argv[1].rsplit(':', 1)

C = socket.socket()
C.connect((host, int(port)))
while True:
    info = input('>>>>')
    C.send(bytes(info, encoding='UTF-8'))
    ret = C.recv(4096).decode('UTF-8')
    if ret == 'bye':
        break
    else:
        print(ret)
