/*
 * The floor of every port program, for `make bench`: frames go in, frames come out, and nothing else is done. The first
 * byte of a frame says what to answer:
 *
 *     e  the frame itself
 *     s  one byte, once the whole frame has been read
 *     r  a frame of as many bytes as the four bytes behind the r say
 *     t  one byte, after as many microseconds of sleep as the four bytes behind the t say
 */
#define _GNU_SOURCE
#include "port.h"

static uint8_t block[BUFFER];

static void answer(const uint8_t *frame, uint32_t size)
{
    if (out_used + 4 + size > BUFFER)
        flush();
    put_be32(size);
    put_bytes(frame, size);
}

static void answer_bytes(uint32_t size)
{
    put_be32(size);
    flush();
    for (uint32_t left = size; left > 0;) {
        uint32_t part = left < BUFFER ? left : BUFFER;
        write_all(block, part);
        left -= part;
    }
}

static void answer_later(uint32_t micros)
{
    flush();
    nanosleep(&(struct timespec){.tv_sec = micros / 1000000, .tv_nsec = micros % 1000000 * 1000L}, NULL);
    answer((const uint8_t *)"t", 1);
}

/* Bytes of a frame that is read without being kept; what the last read holds of it is at `in`. */
static size_t unread;

/* How many of the bytes at `at` are done with; 0 when more of them have to come first. */
static size_t answer_frame(const uint8_t *at, size_t left)
{
    size_t size;
    if (unread > 0) {
        size_t part = left < unread ? left : unread;
        if ((unread -= part) == 0)
            answer((const uint8_t *)"s", 1);
        return part;
    }
    if (left < 5)
        return 0;
    size = be32(at);
    if (at[4] == 's') {
        unread = size;
        return 4;
    }
    if (size > BUFFER - 4)
        die("a frame too large");
    if (left < 4 + size)
        return 0;
    if (at[4] == 'r' && size == 5)
        answer_bytes(be32(at + 5));
    else if (at[4] == 't' && size == 5)
        answer_later(be32(at + 5));
    else
        answer(at + 4, (uint32_t)size);
    return 4 + size;
}

int main(int argc, char **argv)
{
    int64_t spin_ns = begin(argc, argv);
    for (;;) {
        size_t at = 0, done;
        fill(spin_ns);
        while (at < in_used && (done = answer_frame(in + at, in_used - at)) > 0)
            at += done;
        memmove(in, in + at, in_used -= at);
        flush();
    }
}
