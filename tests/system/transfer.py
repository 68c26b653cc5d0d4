"""What curl cannot do at a peer's door: odd clients, and many of them. Usage: transfer.py COMMAND PORT ...

    slow-head PORT            one byte of a head a tenth of a second; prints the seconds until it is cut off
    slow-body PORT TARGET     a body that never comes, likewise
    trickle PORT TARGET FILE  the file's content, ten bytes a tenth of a second, likewise
    stop PORT TARGET FILE N   sends N bytes of the file as a body of its whole length, then ends the connection
    endless PORT TARGET FILE  a chunked body that repeats the file for ever; prints the answer's status
    raw PORT                  sends standard input as it is; prints what comes back
    expect PORT TARGET BYTES [HEADER...]   Expect: 100-continue with that length; prints the first status line
    hold PORT N               opens N connections and keeps them until standard input ends; says "held" when N heads were answered
    load PORT DIR COUNT CLIENTS  sends DIR/N.gz under the ids load-N until each is taken, through any death of the server
"""
import http.client
import itertools
import os
import socket
import sys
import threading
import time


def connect(port):
    return socket.create_connection(("127.0.0.1", int(port)), timeout=60)


def head(target, length, *headers):
    lines = [f"POST {target} HTTP/1.1", "Host: x", "Content-Type: application/gzip", *headers]
    lines.append(f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def until_cut(sock, pieces):
    begin = time.monotonic()
    sock.settimeout(0.1)
    while True:
        try:
            piece = next(pieces, b"")
            if piece:
                sock.sendall(piece)
            if not sock.recv(4096):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    print(f"{time.monotonic() - begin:.1f}")


def read_all(sock):
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except OSError:
        pass
    return data.decode(errors="replace")


def endless(port, target, path):
    content = open(path, "rb").read()
    chunk = b"%x\r\n%s\r\n" % (len(content), content)
    sock = connect(port)
    sock.sendall(head(target, None))
    sent = 0
    try:
        sock.setblocking(True)
        while sent < 1 << 30:
            sock.sendall(chunk)
            sent += len(content)
            sock.setblocking(False)
            try:
                answer = sock.recv(4096)
                print(answer.decode().split()[1], sent)
                return
            except BlockingIOError:
                sock.setblocking(True)
    except OSError:
        sock.setblocking(True)
        print((read_all(sock).split() + ["", "cut"])[1], sent)


def transfer(port, number, content):
    """One try. The status; None: no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    target = f"/transfer?db=D&table=T&schema=-&format=csv&id=load-{number}"
    try:
        connection.request("POST", target, content, {"Content-Type": "application/gzip"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def load(port, directory, count, clients):
    numbers = iter(range(1, count + 1))
    lock = threading.Lock()
    totals = {}

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            content = open(f"{directory}/{number}.gz", "rb").read()
            status = None
            while status not in (200, 202):
                status = transfer(port, number, content)
                with lock:
                    totals[status] = totals.get(status, 0) + 1
                if status not in (200, 202, None, 503, 429):
                    print("odd answer", status, flush=True)
                    os._exit(1)
                if status not in (200, 202):
                    time.sleep(0.02)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(totals)


def hold(port, count):
    socks = [connect(port) for _ in range(count)]
    for sock in socks:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    answers = [sock.recv(4096) for sock in socks]
    print("held" if all(answer.startswith(b"HTTP/1.1 200") for answer in answers) else "refused", flush=True)
    sys.stdin.read()


def main(command, *args):
    if command == "slow-head":
        until_cut(connect(args[0]), itertools.repeat(b"X"))
    elif command == "slow-body":
        sock = connect(args[0])
        sock.sendall(head(args[1], 1000))
        until_cut(sock, iter(()))
    elif command == "trickle":
        content = open(args[2], "rb").read()
        sock = connect(args[0])
        sock.sendall(head(args[1], len(content)))
        until_cut(sock, (content[at : at + 10] for at in range(0, len(content), 10)))
    elif command == "stop":
        content = open(args[2], "rb").read()
        sock = connect(args[0])
        sock.sendall(head(args[1], len(content)) + content[: int(args[3])])
        sock.close()
    elif command == "endless":
        endless(*args)
    elif command == "raw":
        sock = connect(args[0])
        try:
            sock.sendall(sys.stdin.buffer.read())
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # cut off already
        print(read_all(sock))
    elif command == "expect":
        sock = connect(args[0])
        sock.sendall(head(args[1], args[2], "Expect: 100-continue", *args[3:]))
        print(sock.recv(4096).decode().split("\r\n")[0])
    elif command == "hold":
        hold(args[0], int(args[1]))
    elif command == "load":
        load(int(args[0]), args[1], int(args[2]), int(args[3]))
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
