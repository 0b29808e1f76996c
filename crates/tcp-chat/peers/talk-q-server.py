# From the tutorial "python网络编程" (seed 000, "TCP", the first program).
# Changed: the address comes from the command line, IP:PORT; without one it is that of the tutorial. Its
# `socket(type=socket.SOCK_STREAM)` cannot run: `socket` is the class here, and the class has no such name.
import sys
from socket import socket, SOCK_STREAM

host, port = (sys.argv[1:] or ['127.0.0.1:9090'])[0].rsplit(':', 1)

sk = socket(type=SOCK_STREAM)
sk.bind((host, int(port)))
sk.listen()

while 1:
    # print(123)
    conn,addr = sk.accept() #  等待连接 -- 阻塞
    # print(456)
    while 1:
        # print(789)
        msg_r = conn.recv(1024).decode('utf-8') # 阻塞等待接收客户端发来的消息
        # print('jqk')
        print('接收到来自%s的一个消息:%s' % (addr, msg_r))
        if msg_r == 'q':
            break
        msg_s = input('>>>')
        conn.send(msg_s.encode('utf-8'))# 发送给客户端消息
        if msg_s == 'q':
            break
    conn.close()# 服务器和当前客户端断开连接,程序回到上一层死循环,重新等待客户端的连接
sk.close()
