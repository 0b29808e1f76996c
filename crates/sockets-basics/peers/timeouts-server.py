# From the tutorial "SOCKET模块" (seed 002, "设置时间间隔", server端).
# Changed: the address comes from the command line, IP:PORT.
import socket
import sys

host, port = sys.argv[1].rsplit(':', 1)

socket.setdefaulttimeout(10)			# 等待时间
S = socket.socket()
S.bind((host, int(port)))
S.listen(12)
conn, addr = S.accept()
while True:
    ret = conn.recv(4096).decode('UTF-8')
    if ret == 'bye':
        conn.close()
        break
    else:
        print(ret)
        info = input('>>>')
        conn.send(bytes(info, encoding='UTF-8'))
