/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Going to the background: the command's process waits until its child is ready, and passes on how
 * it went. Up to there the child still writes its errors to the terminal.
 */
#ifndef MPDISK_BACKGROUND_H
#define MPDISK_BACKGROUND_H

/* Forks. 0 in the child, and *ready_fd is for background_tell(); in the parent 1 once the child has
 * said that all is well, or a negative errno. */
int background_start(int *ready_fd) __attribute__((warn_unused_result));

/* Tells the waiting parent: 0, all is well, and the terminal is let go of. Does nothing the second
 * time, and if *ready_fd is -1. */
void background_tell(int *ready_fd, unsigned char status);

/* From now on SIGTERM, SIGINT and SIGHUP are read from a descriptor (signalfd), which is returned,
 * or a negative errno. */
int background_signals(void) __attribute__((warn_unused_result));

#endif
