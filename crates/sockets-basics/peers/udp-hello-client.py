# From the tutorial "SOCKET模块" (seed 002, "使用套接字 -- UDP", client端).
# Changed: the address comes from the command line, IP:PORT.
import socket
import sys

host, port = sys.argv[1].rsplit(':', 1)

ip_port=(host, int(port))
udp_sk=socket.socket(type=socket.SOCK_DGRAM)
udp_sk.sendto(b'hello',ip_port)
back_msg,addr=udp_sk.recvfrom(1024)
print(back_msg.decode('utf-8'),addr)
