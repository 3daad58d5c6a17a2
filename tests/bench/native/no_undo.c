/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linked with --wrap into the variant of the bench that has no undo log: nothing is saved, so
 * nothing can be taken back.
 */
#include "pool/tx.h"

int __wrap_tx_save_range(struct exec *x, const void *p, u32 len);
int __wrap_tx_save_few(struct exec *x, const void *p, u32 len);
int __wrap_tx_save_word(struct exec *x, const void *p);

int __wrap_tx_save_range(struct exec *x, const void *p, u32 len)
{
	(void)x, (void)p, (void)len;
	return 0;
}

int __wrap_tx_save_few(struct exec *x, const void *p, u32 len)
{
	(void)x, (void)p, (void)len;
	return 0;
}

int __wrap_tx_save_word(struct exec *x, const void *p)
{
	(void)x, (void)p;
	return 0;
}
