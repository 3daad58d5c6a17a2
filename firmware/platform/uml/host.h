/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls of the machine that the UML kernel is a process of. Plain types: included by files
 * of the kernel and by host.c, which sees the machine's headers. */
#ifndef MPDISK_PLATFORM_UML_HOST_H
#define MPDISK_PLATFORM_UML_HOST_H

/* Wakes processes that wait on the word. */
void host_futex_wake(unsigned int *word);
void host_yield(void);
/* Makes memory of this kernel's one that can be executed and not written, or the other way round.
 */
int host_protect(void *p, unsigned long len, int execute);
/* CLOCK_MONOTONIC. */
unsigned long long host_ms(void);

/* ---- the pool's file; errors are negative errno */
/* Its path, absolute. */
int host_path(int fd, char *path, unsigned int size);
/* room: what it takes; a file that is only long takes none. */
int host_size(int fd, unsigned long long *size, unsigned long long *room);
/* Reads len bytes, zeros behind the end. */
int host_read(int fd, void *p, unsigned int len, unsigned long long pos);
/* Makes it a file of size bytes that has room on its medium and begins with this word. */
int host_make(int fd, unsigned int size, unsigned int word);
/* Whether it is memory of the machine (tmpfs): elsewhere its pages are written to a disk. */
int host_in_memory(int fd);
/* Takes the pages of mapped memory and maps them: many at once cost less than as
 * many faults. */
int host_touch(void *p, unsigned long len);
/* Frees its room; it keeps its size, which is what a kernel that starts has as its region. */
int host_empty(int fd, unsigned int size);

/* ---- locks of one byte, of the open file: of this UML kernel and what belongs to it */
enum host_lock { HOST_LOCK_READ, HOST_LOCK_WRITE, HOST_LOCK_NONE };
/* -EAGAIN: somebody else has it. */
int host_lock(int fd, enum host_lock how, long long at);
/* Whether somebody else has a lock in [at, at + len). */
int host_locked(int fd, long long at, long long len);

/*
 * The file or device of the machine that a block device of this kernel is (ubd): the one that this
 * process has open, has that many bytes and this superblock. Its descriptor and identity, or
 * -ENOENT: none, or more than one.
 */
#define HOST_SUPER_AT 1024
#define HOST_SUPER_SIZE 1024
int host_medium(unsigned long long bytes, const void *super, unsigned long long id[2]);

#endif
