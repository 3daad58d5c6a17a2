/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux errno values, as FUSE carries them: the core returns them negated on every platform. */
#ifndef MPDISK_ERRNO_H
#define MPDISK_ERRNO_H

#define MP_EPERM 1
#define MP_ENOENT 2
#define MP_EINTR 4
#define MP_EIO 5
#define MP_ENXIO 6
#define MP_E2BIG 7
#define MP_EBADF 9
#define MP_EAGAIN 11
#define MP_ENOMEM 12
#define MP_EACCES 13
#define MP_EBUSY 16
#define MP_EEXIST 17
#define MP_ENODEV 19
#define MP_ENOTDIR 20
#define MP_EISDIR 21
#define MP_EINVAL 22
#define MP_ENFILE 23
#define MP_ENOTTY 25
#define MP_EFBIG 27
#define MP_ENOSPC 28
#define MP_EROFS 30
#define MP_EMLINK 31
#define MP_ERANGE 34
#define MP_EDEADLK 35
#define MP_ENOLCK 37
#define MP_ENAMETOOLONG 36
#define MP_ENOSYS 38
#define MP_ENOTEMPTY 39
#define MP_ELOOP 40
#define MP_ENODATA 61
#define MP_EPROTO 71
#define MP_EOVERFLOW 75
#define MP_EOPNOTSUPP 95
#define MP_ESTALE 116
#define MP_EUCLEAN 117
#define MP_EMEDIUMTYPE 124

/* Never leaves the core: the operation is to be run again (journal_retry). */
#define MP_ERETRY 513

#endif
