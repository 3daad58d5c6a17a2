// SPDX-License-Identifier: BSD-2-Clause
/* The core on rv32 (rv32.c): each operation of the filesystem and the hot paths of the pool below
 * it, warm, on an image that mke2fs has made. */
#include <stdarg.h>
#include <string.h>

#include "fs/fs.h"
#include "fs/inode.h"
#include "platform/soc/soc.h"
#include "pool/lock.h"
#include "pool/tx.h"
#include "tests/bench/core/calls.h"

#define POOL_SIZE (32u << 20)

static u8 pool_memory[POOL_SIZE] __attribute__((aligned(4096)));
static struct pool pool;
static struct exec executor;
struct plat soc; /* for platform/soc/mem.c, which finds no DMA engine in it */

static u32 call(u32 number, u32 a, u32 b, u32 c)
{
	register u32 a7 __asm__("a7") = number;
	register u32 a0 __asm__("a0") = a;
	register u32 a1 __asm__("a1") = b;
	register u32 a2 __asm__("a2") = c;

	__asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
	return a0;
}

/* ---- platform */
blkno_t plat_blocks(struct plat *plat)
{
	(void)plat;
	return 32768;
}

bool plat_read_only(struct plat *plat)
{
	(void)plat;
	return false;
}

void plat_io_submit(struct plat *plat, struct plat_io *io)
{
	u32 failed = 0;

	(void)plat;
	if (io->op != PLAT_FLUSH)
		failed = call(io->op == PLAT_READ ? CALL_READ : CALL_WRITE, (u32)io->block,
			      (u32)pool_memory + io->ref, io->count);
	io->error = failed ? -5 : 0;
}

int plat_io_wait(struct plat *plat, struct plat_io *io)
{
	(void)plat;
	return io->error;
}

void plat_now(struct plat *plat, struct plat_time *now)
{
	static u32 sec = 1600000000;

	(void)plat;
	now->sec = sec++;
	now->nsec = 0;
}

u64 plat_ms(struct plat *plat)
{
	(void)plat;
	return 0;
}

void plat_wait(struct plat *plat, u32 *word, u32 seen, u32 timeout_ms)
{
	(void)plat;
	(void)word;
	(void)seen;
	(void)timeout_ms;
	plat_panic(plat, "nobody will wake the only executor", __FILE__, __LINE__);
}

void plat_wake(struct plat *plat, u32 *word)
{
	(void)plat;
	(void)word;
}

void plat_yield(struct plat *plat)
{
	(void)plat;
}

void plat_copy(struct plat *plat, void *dst, const void *src, u32 len)
{
	(void)plat;
	call(CALL_COPY, (u32)dst, (u32)src, len);
}

void plat_zero(struct plat *plat, void *dst, u32 len)
{
	(void)plat;
	call(CALL_ZERO, (u32)dst, len, 0);
}

u32 plat_crc32c(struct plat *plat, u32 crc, const void *data, u32 len)
{
	(void)plat;
	return call(CALL_CRC, crc, (u32)data, len);
}

void plat_log(struct plat *plat, enum plat_level level, const char *fmt, ...)
{
	(void)plat;
	if (level <= PLAT_WARN)
		call(CALL_PUT, (u32)fmt, 0, 0);
}

u32 plat_random(struct plat *plat)
{
	static u32 value = 4;

	(void)plat;
	return value = value * 1664525 + 1013904223;
}

void plat_panic(struct plat *plat, const char *what, const char *file, int line)
{
	(void)plat;
	(void)file;
	(void)line;
	call(CALL_PUT, (u32)what, 0, 0);
	for (;;)
		call(CALL_EXIT, 1, 0, 0);
}

void soc_dma_copy(struct plat *plat, ref_t dst, ref_t src, u32 len)
{
	plat_copy(plat, pool_memory + dst, pool_memory + src, len);
}

void soc_dma_fill(struct plat *plat, ref_t dst, u32 word, u32 len)
{
	(void)word;
	plat_zero(plat, pool_memory + dst, len);
}

/* ---- measuring */
static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	call(CALL_PUT, (u32)what, 0, 0);
	call(CALL_EXIT, 1, 0, 0);
}

#define OK(expression) check((int)(expression), #expression)
/* Runs the statements `rounds` times with i = 0.. and reports the instructions of one round. */
#define MEASURE(name, rounds, ...)                                                                 \
	do {                                                                                       \
		call(CALL_START, 0, 0, 0);                                                         \
		for (u32 i = 0; i < (rounds); i++) {                                               \
			__VA_ARGS__;                                                               \
		}                                                                                  \
		call(CALL_STOP, (u32)(name), (rounds), 0);                                         \
	} while (0)

/* One of three names at a time, so that two can be used in one call. */
static struct fs_name name(const char *prefix, u32 n)
{
	static char text[3][16];
	static u32 turn;
	char *s = text[turn++ % 3];
	u32 len = 0;

	while (prefix[len]) {
		s[len] = prefix[len];
		len++;
	}
	s[len++] = (char)('0' + n / 100);
	s[len++] = (char)('0' + n / 10 % 10);
	s[len++] = (char)('0' + n % 10);
	return (struct fs_name){s, len};
}

static bool fill(void *arg, const struct fs_dirent *entry)
{
	(void)entry;
	++*(u32 *)arg;
	return true;
}

static void write_pages(struct exec *x, node_t node, u64 pos, u32 n)
{
	static struct fs_seg segs[FS_IO_SEGS];

	for (u32 i = 0; i < n; i++) {
		struct frame *f;

		OK(frame_alloc(x, &f));
		segs[i] = (struct fs_seg){.frame = frame_no(x, f), .offset = 0, .len = 4096};
	}
	OK(fs_write(x, node, &pos, 0, segs, n));
	for (u32 i = 0; i < n; i++)
		frame_unpin(x, frame_of(x, segs[i].frame));
}

static void append(struct exec *x, node_t node, u32 len)
{
	struct frame *f;
	struct fs_seg seg;
	u64 pos = 0;

	OK(frame_alloc(x, &f));
	seg = (struct fs_seg){.frame = frame_no(x, f), .offset = 0, .len = (u16)len};
	OK(fs_write(x, node, &pos, FS_WRITE_APPEND, &seg, 1));
	frame_unpin(x, frame_of(x, seg.frame));
}

static void read_pages(struct exec *x, node_t node, u64 pos, u32 len)
{
	static struct fs_seg segs[FS_IO_SEGS];
	u32 n = FS_IO_SEGS;

	OK(fs_read(x, node, pos, len, segs, &n));
	for (u32 i = 0; i < n; i++)
		frame_unpin(x, frame_of(x, segs[i].frame));
}

static void bench_pool(struct exec *x)
{
	struct csum_id id = {CSUM_SUPER, 0, 0};
	u32 *word = &fs_of(x)->rename_lock;
	struct frame *f;
	void *p;

	OK(buf_read(x, 0, id, &f));
	MEASURE("nothing", 64, __asm__ volatile(""));
	MEASURE("pool: cached buffer", 64, OK(buf_read(x, 0, id, &f)); buf_put(x, f));
	MEASURE("pool: empty tx", 64, tx_begin(x); tx_commit(x));
	MEASURE("pool: frame", 64, OK(frame_alloc(x, &f)); frame_unpin(x, f));
	MEASURE("pool: tx, 256 bytes", 64, tx_begin_change(x); OK(buf_read(x, 0, id, &f));
		OK(buf_save(x, f, 512, 256, &p)); buf_put(x, f); tx_commit(x));
	tx_begin(x);
	MEASURE("pool: read lock", 64, OK(lock_read(x, word, RANK_RENAME)); lock_release_all(x));
	MEASURE("pool: mini lock", 64, lock_mini(x, word, RANK_RENAME); lock_drop(x, word));
	tx_commit(x);
	OK(buf_read(x, 0, id, &f));
	buf_put(x, f);
}

static void bench_names(struct exec *x, node_t dir)
{
	struct fs_attr a;
	u32 entries = 0;

	MEASURE("create", 64, OK(fs_mknod(x, dir, name("file-", i), 0100644, 0, false, &a)));
	MEASURE("lookup", 64, OK(fs_lookup(x, dir, name("file-", i), &a)));
	MEASURE("lookup, not there", 64, (void)!fs_lookup(x, dir, name("none-", i), &a));
	MEASURE("lookup, again not there", 64, (void)!fs_lookup(x, dir, name("none-", i), &a));
	MEASURE("link", 64, OK(fs_link(x, a.node, dir, name("link-", i), &a)));
	MEASURE("rename", 64, OK(fs_rename(x, dir, name("link-", i), dir, name("name-", i), 0)));
	MEASURE("readdir of 129", 4, OK(fs_readdir(x, dir, 0, false, fill, &entries)));
	MEASURE("readdirplus of 129", 4, OK(fs_readdir(x, dir, 0, true, fill, &entries)));
	MEASURE("unlink, still linked", 64, OK(fs_unlink(x, dir, name("name-", i))));
	MEASURE("unlink", 64, OK(fs_unlink(x, dir, name("file-", i))));
	MEASURE("mkdir", 64, OK(fs_mkdir(x, dir, name("dir-", i), 0755, &a)));
	MEASURE("rmdir", 64, OK(fs_rmdir(x, dir, name("dir-", i))));
}

static void bench_data(struct exec *x, node_t dir)
{
	struct fs_setattr mode = {.valid = FS_SET_MODE, .mode = 0600};
	struct fs_setattr half = {.valid = FS_SET_SIZE, .size = 20 << 20};
	struct fs_setattr cut = {.valid = FS_SET_SIZE};
	struct fs_attr a, b;

	OK(fs_mknod(x, dir, name("data-", 0), 0100644, 0, true, &a));
	MEASURE("getattr", 64, OK(fs_getattr(x, a.node, &b)));
	MEASURE("chmod", 64, OK(fs_setattr(x, a.node, &mode, &b)));
	MEASURE("write 4 KiB, new", 64, write_pages(x, a.node, i * 4096, 1));
	MEASURE("write 4 KiB, again", 64, write_pages(x, a.node, i * 4096, 1));
	MEASURE("write 128 KiB, new", 8, write_pages(x, a.node, (64 + i * 32) * 4096, 32));
	MEASURE("write 128 KiB, again", 8, write_pages(x, a.node, (64 + i * 32) * 4096, 32));
	MEASURE("append 100 bytes", 64, append(x, a.node, 100));
	MEASURE("read 4 KiB", 64, read_pages(x, a.node, i * 4096, 4096));
	MEASURE("read 128 KiB", 8, read_pages(x, a.node, i * 131072, 131072));
	MEASURE("sync", 1, OK(fs_sync(x)));
	MEASURE("sync, nothing", 1, OK(fs_sync(x)));
	MEASURE("chmod and fsync", 16, OK(fs_setattr(x, a.node, &mode, &b));
		OK(fs_fsync(x, a.node, false)));
	MEASURE("write 128 KiB, no memory", 500, write_pages(x, a.node, i % 320 * 131072, 32));
	MEASURE("read 128 KiB, not cached", 320, read_pages(x, a.node, i * 131072, 131072));
	MEASURE("truncate 40 MiB to half", 1, OK(fs_setattr(x, a.node, &half, &b)));
	MEASURE("truncate 20 MiB", 1, OK(fs_setattr(x, a.node, &cut, &b)));
	OK(fs_release(x, a.node));
}

int main(void)
{
	const struct fs_mount_opts opts = {0};
	struct exec *x = &executor;
	struct fs_attr dir;

	OK(pool_format(&pool, pool_memory, POOL_SIZE));
	OK(exec_join(&pool, &soc, 1, x));
	OK(fs_mount(x, &opts));
	bench_pool(x);
	OK(fs_mkdir(x, FS_ROOT, name("bench", 0), 0755, &dir));
	bench_names(x, dir.node);
	bench_data(x, dir.node);
	OK(fs_unmount(x));
	call(CALL_EXIT, 0, 0, 0);
	return 0;
}
