/*
 * The opponent of the helper in `make bench`: a port program that speaks the helper's protocol
 * (docs/protocol.md) but does no work. It answers open with a made-up socket, sockname with a made-up address, byte
 * for byte as long as the helper's own answer, and every other call with {ok, 8192}. So the same callers and
 * the same lane drive both, and the difference is the helper's.
 *
 * One read takes what is there, one write carries all replies; each is a frame of its own.
 */
#define _GNU_SOURCE
#include "port.h"

enum { REPLY_MAX = 128, CONSUMED_STEP = 256 << 10 };

enum tag {
    SMALL_INTEGER = 97,
    INTEGER = 98,
    FLOAT_NEW = 70,
    ATOM_LATIN1 = 100,
    SMALL_TUPLE = 104,
    NIL = 106,
    STRING = 107,
    LIST = 108,
    BINARY = 109,
    SMALL_BIG = 110,
    MAP = 116,
    NEW_PID = 88,
    NEWER_REFERENCE = 90,
    SMALL_ATOM_UTF8 = 119,
    VERSION = 131
};

static size_t consumed;
static uint32_t next_socket = 1;

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static const uint8_t *skip_terms(const uint8_t *p, uint32_t count);

/* The end of the term at p; only what requests of the benchmark hold. */
static const uint8_t *skip(const uint8_t *p)
{
    switch (*p) {
    case SMALL_INTEGER: return p + 2;
    case INTEGER: return p + 5;
    case FLOAT_NEW: return p + 9;
    case ATOM_LATIN1:
    case STRING: return p + 3 + be16(p + 1);
    case SMALL_ATOM_UTF8: return p + 2 + p[1];
    case SMALL_TUPLE: return skip_terms(p + 2, p[1]);
    case NIL: return p + 1;
    case LIST: return skip_terms(p + 5, be32(p + 1) + 1);
    case BINARY: return p + 5 + be32(p + 1);
    case SMALL_BIG: return p + 3 + p[1];
    case MAP: return skip_terms(p + 5, 2 * be32(p + 1));
    case NEW_PID: return skip(p + 1) + 12;
    case NEWER_REFERENCE: return skip(p + 3) + 4 + 4 * be16(p + 1);
    default: die("a term it does not know"); return NULL;
    }
}

static const uint8_t *skip_terms(const uint8_t *p, uint32_t count)
{
    while (count-- > 0)
        p = skip(p);
    return p;
}

static int is_atom(const uint8_t *p, const char *name)
{
    size_t length = strlen(name);
    if (*p == SMALL_ATOM_UTF8)
        return p[1] == length && memcmp(p + 2, name, length) == 0;
    return *p == ATOM_LATIN1 && be16(p + 1) == length && memcmp(p + 3, name, length) == 0;
}

static void put_byte(uint8_t byte) { out[out_used++] = byte; }

static void put_integer(uint32_t value)
{
    put_byte(INTEGER);
    put_be32(value);
}

static void put_tuple(uint8_t arity)
{
    put_byte(SMALL_TUPLE);
    put_byte(arity);
}

static void put_atom(const char *name)
{
    put_byte(SMALL_ATOM_UTF8);
    put_byte((uint8_t)strlen(name));
    put_bytes(name, strlen(name));
}

static size_t begin_frame(void)
{
    size_t start = out_used;
    out_used += 4;
    put_byte(VERSION);
    return start;
}

static void end_frame(size_t start)
{
    uint32_t size = htonl((uint32_t)(out_used - start - 4));
    memcpy(out + start, &size, 4);
}

static void put_closed(uint32_t socket)
{
    size_t frame = begin_frame();
    put_tuple(3);
    put_atom("closed");
    put_integer(socket);
    put_tuple(2);
    put_atom("undefined");
    put_tuple(16);
    for (int i = 0; i < 16; i++) {
        put_byte(SMALL_INTEGER);
        put_byte(0);
    }
    end_frame(frame);
}

/* 127.0.0.1, port 4711 */
static void put_address(void)
{
    put_byte(MAP);
    put_be32(3);
    put_atom("family");
    put_atom("inet");
    put_atom("port");
    put_integer(4711);
    put_atom("addr");
    put_tuple(4);
    put_bytes("\x61\x7f\x61\x00\x61\x00\x61\x01", 8);
}

static void put_result(const uint8_t *call)
{
    const uint8_t *name = call + 2;
    if (is_atom(name, "close") || is_atom(name, "hello")) {
        put_atom("ok");
        return;
    }
    put_tuple(2);
    put_atom("ok");
    if (is_atom(name, "open")) {
        put_tuple(5);
        put_integer(next_socket++);
        put_bytes("\x61\x02\x61\x01\x61\x06\x61\x00", 8); /* AF_INET, SOCK_STREAM, IPPROTO_TCP, 0 */
    } else if (is_atom(name, "sockname")) {
        put_address();
    } else {
        put_integer(8192);
    }
}

static const uint8_t *answer(const uint8_t *item)
{
    const uint8_t *end = skip(item), *first = item + 2, *second;
    size_t frame;
    if (*item != SMALL_TUPLE || item[1] != 2)
        return end;
    second = skip(first);
    if (is_atom(first, "ping")) {
        frame = begin_frame();
        put_tuple(2);
        put_atom("pong");
        put_bytes(second, (size_t)(end - second));
        end_frame(frame);
    } else if (*first == INTEGER || *first == SMALL_INTEGER) {
        if (is_atom(second + 2, "close")) {
            const uint8_t *socket = skip(second + 2);
            put_closed(*socket == INTEGER ? be32(socket + 1) : socket[1]);
        }
        frame = begin_frame();
        put_tuple(2);
        put_integer(*first == INTEGER ? be32(first + 1) : first[1]);
        put_result(second);
        end_frame(frame);
    }
    return end;
}

static void answer_frame(const uint8_t *p)
{
    uint32_t items = 1;
    if (*p++ != VERSION)
        die("no external term");
    if (*p == LIST) {
        items = be32(p + 1);
        p += 5;
    }
    while (items-- > 0) {
        if (out_used > BUFFER - 2 * REPLY_MAX)
            flush();
        p = answer(p);
    }
}

/* The lane keeps a window of bytes that have not been read: without this it would wait for ever. */
static void put_consumed(void)
{
    size_t frame = begin_frame();
    put_tuple(2);
    put_atom("consumed");
    put_integer((uint32_t)consumed);
    end_frame(frame);
    consumed = 0;
}

static void answer_frames(void)
{
    size_t at = 0;
    while (in_used - at >= 4 && in_used - at - 4 >= be32(in + at)) {
        answer_frame(in + at + 4);
        at += 4 + be32(in + at);
    }
    consumed += at;
    if (consumed >= CONSUMED_STEP)
        put_consumed();
    memmove(in, in + at, in_used -= at);
    if (in_used >= 4 && be32(in) > BUFFER - 4)
        die("a frame too large");
    flush();
}

static void put_hello(void)
{
    static const struct { const char *name; uint32_t value; } facts[] = {
        {"protocol", 0}, {"window", 1 << 18}, {"frame_limit", BUFFER - 4}, {"message_limit", 1 << 20}, {"loops", 1}};
    size_t frame = begin_frame(), count = sizeof facts / sizeof *facts;
    put_tuple(2);
    put_atom("hello");
    put_byte(MAP);
    put_be32((uint32_t)count + 2);
    for (size_t i = 0; i < count; i++) {
        put_atom(facts[i].name);
        put_integer(facts[i].value);
    }
    put_atom("pid");
    put_integer((uint32_t)getpid());
    put_atom("version");
    put_byte(BINARY);
    put_be32(4);
    put_bytes("echo", 4);
    end_frame(frame);
    flush();
}

int main(int argc, char **argv)
{
    int64_t spin_ns = begin(argc, argv);
    put_hello();
    for (;;) {
        fill(spin_ns);
        answer_frames();
    }
}
