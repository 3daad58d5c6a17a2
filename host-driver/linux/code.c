// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which copy of the core this kernel runs: the module's own, or the one in the pool (code=pool),
 * which the first host has put there. Both are the same piece of code (platform/uml/code); the
 * module's functions of the core's names jump into the one that is in use.
 */
#include <linux/mm.h>

#include "private.h"
#include "format/crc32c.h"
#include "platform/uml/code/code.h"
#include "platform/uml/host.h"

/* core.S, made by platform/uml/code/make */
extern const u8 mpd_code_begin[], mpd_code_end[];
extern const void *mpd_code_table[];
extern const u32 mpd_code_count;

static const struct code_header *own(void)
{
	return (const void *)mpd_code_begin;
}

static void use(const struct code_header *code)
{
	u32 i;

	for (i = 0; i < mpd_code_count; i++)
		mpd_code_table[i] = (const u8 *)code + code->offsets[i];
}

static u32 sum_of(const struct code_header *code)
{
	return crc32c(~0u, code + 1, code->size - sizeof(*code));
}

void mpd_code_own(struct mpd_disk *d)
{
	use(own());
	if (!d->code)
		return;
	if (host_protect(d->code, PAGE_ALIGN(own()->size), 0) != 0)
		plat_panic(d->plat, "the pool's code cannot be given back", __FILE__, __LINE__);
	d->code = NULL;
}

int mpd_code_put(struct mpd_disk *d)
{
	struct code_header *code;
	ref_t ref;
	/* whole pages of its own: they are executed and nothing else is */
	int err = pool_carve(&d->pool, PAGE_ALIGN(own()->size) + PAGE_SIZE, &ref);

	if (err)
		return err;
	ref = PAGE_ALIGN(ref);
	code = pool_ptr(&d->pool, ref);
	memcpy(code, own(), own()->size);
	code->abi = d->pool.hdr->abi;
	code->sum = sum_of(code);
	d->pool.hdr->code = ref;
	return 0;
}

static bool is_whole(const struct mpd_disk *d, const struct code_header *code)
{
	u32 i;

	if (code->magic != CODE_MAGIC || code->count != own()->count ||
	    code->names != own()->names || code->abi != d->pool.hdr->abi ||
	    code->size < sizeof(*code) + code->count * sizeof(u32) ||
	    code->size > d->pool.size - d->pool.hdr->code)
		return false;
	for (i = 0; i < code->count; i++)
		if (code->offsets[i] >= code->size)
			return false;
	return code->sum == sum_of(code);
}

int mpd_code_take(struct mpd_disk *d)
{
	const ref_t ref = d->pool.hdr->code;
	struct code_header *code = pool_ptr(&d->pool, ref);
	int err;

	if (!ref || ref % PAGE_SIZE || ref > d->pool.size - PAGE_SIZE) {
		pr_err("mpdisk: %s: code=pool: there is no code in this pool\n", d->path);
		return -EPROTO;
	}
	if (!is_whole(d, code)) {
		pr_err("mpdisk: %s: code=pool: the code there is of another version, or damaged\n",
		       d->path);
		return -EPROTO;
	}
	err = host_protect(code, PAGE_ALIGN(code->size), 1);
	if (err) {
		pr_err("mpdisk: %s: code=pool: cannot be executed: error %d\n", d->path, -err);
		return err;
	}
	d->code = code;
	use(code);
	pr_info("mpdisk: %s: runs the code in the pool: %u bytes, sum %08x\n", d->path, code->size,
		code->sum);
	return 0;
}
