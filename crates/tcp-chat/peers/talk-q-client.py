# From the tutorial "python网络编程" (seed 000, "TCP", the second program).
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial.
import sys
from socket import  socket

host, port = (sys.argv[1:] or ['127.0.0.1:9090'])[0].rsplit(':', 1)

sk = socket()
sk.connect((host, int(port)))

while 1:
    msg_s = input('>>>')
    sk.send(msg_s.encode('utf-8'))
    if msg_s == 'q':
        break
    msg_r = sk.recv(1024).decode('utf-8')
    print(msg_r)
    if msg_r == 'q':
        break

sk.close()
