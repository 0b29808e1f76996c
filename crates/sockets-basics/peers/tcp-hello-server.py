# From the tutorial "python网络编程" (seed 000, "socket套接字使用"; the same program is in seed 002,
# "使用套接字 -- TCP"). Changed: the address comes from the command line, IP:PORT.
import socket
import sys

host, port = sys.argv[1].rsplit(':', 1)

sk = socket.socket() #创建socket对象
sk.bind((host, int(port)))  #把地址绑定到套接字
sk.listen()          #监听链接
conn,addr = sk.accept() #接受客户端链接
ret = conn.recv(1024)  #接收客户端信息
print(ret)       #打印客户端信息
conn.send(b'hi')        #向客户端发送信息
conn.close()       #关闭客户端套接字
sk.close()        #关闭服务器套接字(可选)
