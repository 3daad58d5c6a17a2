/* SPDX-License-Identifier: BSD-2-Clause */
/* The FIFOs by which hosts are told that words have changed (platform/waits.h). */
#ifndef MPDISK_PLATFORM_POSIX_FIFO_H
#define MPDISK_PLATFORM_POSIX_FIFO_H

/* The FIFO of a host of the pool in the file `pool`, made if it does not exist: a descriptor that
 * neither waits nor sees an end, or a negative errno. */
int fifo_open(const char *pool, unsigned int host);
void fifo_close(int fd);
/* One more byte for whoever reads it. A FIFO that is full has been told already. */
void fifo_tell(int fd, unsigned char bucket);
/* Up to len bytes; 0: there is none. */
unsigned int fifo_read(int fd, unsigned char *bytes, unsigned int len);
/* Nobody is left to read it. */
void fifo_remove(const char *pool, unsigned int host);

#endif
