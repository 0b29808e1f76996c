# From the tutorial "网编" (seed 004, "打电话模型", 客户端): its connect_ex, and what it returns.
# Changed: the tutorial does not look at what connect_ex returns; here that is all there is. The
# numbers are those of the lesson's `wrong-numbers`. Linux only, for the last one.
import errno
import socket


def dial(number):
    telephone = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Give up after the first second of waiting; the system would try for two minutes.
    telephone.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 500)
    return telephone.connect_ex(number), telephone


silent = socket.socket()
silent.bind(('127.0.0.1', 0))           # and no listen
print('nobody listens', errno.errorcode[dial(silent.getsockname())[0]])

print('every machine at once', errno.errorcode[dial(('255.255.255.255', 9))[0]])

busy = socket.socket()
busy.bind(('127.0.0.1', 0))
busy.listen(0)
waiting = []
while True:
    reason, telephone = dial(busy.getsockname())
    if reason != 0:
        break
    waiting.append(telephone)           # kept, or it would leave the queue
print('too many callers wait', errno.errorcode[reason])
