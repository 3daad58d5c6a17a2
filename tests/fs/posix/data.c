// SPDX-License-Identifier: BSD-2-Clause
/* Open files and their content: open, read, write, truncate, fallocate, lseek, fsync, mmap. */
#define _GNU_SOURCE
#include "suite.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#define K 1024ll
#define M (K * K)
#define G (M * K)

static int file(void)
{
	return (int)OK(open("f", O_CREAT | O_RDWR, 0644));
}

/* Bytes [pos, pos+n) are all c. */
static void all(int fd, off_t pos, size_t n, char c)
{
	static char b[1 << 20];
	size_t i;

	TRUE(n <= sizeof(b));
	EQ(pread(fd, b, n, pos), n);
	for (i = 0; i < n; i++)
		if (b[i] != c)
			FAIL("byte %lld is %d, expected %d", (long long)pos + (long long)i, b[i],
			     c);
}

static void fill(int fd, off_t pos, size_t n, char c)
{
	static char b[1 << 20];

	TRUE(n <= sizeof(b));
	memset(b, c, n);
	EQ(pwrite(fd, b, n, pos), n);
}

/* ---- open */
CHECK(open, creat_makes_a_file_once)
{
	ino_t ino;

	OK(close((int)OK(open("f", O_CREAT | O_WRONLY, 0640))));
	EQ(st("f").st_mode, S_IFREG | 0640);
	EQ(st("f").st_nlink, 1);
	EQ(st("f").st_size, 0);
	ino = st("f").st_ino;
	CHANGES("f", "", OK(close((int)OK(open("f", O_CREAT | O_WRONLY, 0600)))));
	EQ(st("f").st_ino, ino);
	EQ(mode_of("f"), 0640);
}

CHECK(open, creat_changes_times_of_the_parent_once)
{
	OK(mkdir("p", 0755));
	CHANGES("p", "mc", OK(close((int)OK(open("p/f", O_CREAT | O_WRONLY, 0644)))));
	CHANGES("p", "", OK(close((int)OK(open("p/f", O_CREAT | O_WRONLY, 0644)))));
}

CHECK(open, excl_of_any_file_is_eexist)
{
	enum type t;

	for (t = REG; t < TYPES; t++) {
		make(t, type_names[t], 0644);
		FAILS(EEXIST, open(type_names[t], O_CREAT | O_EXCL | O_RDWR, 0644));
	}
}

CHECK(open, creat_with_mode_zero_gives_a_usable_descriptor)
{
	AS(USER)
	{
		int fd = (int)OK(open("f", O_CREAT | O_EXCL | O_RDWR, 0));

		EQ(write(fd, "x", 1), 1);
		EQ(mode_of("f"), 0);
	}
}

CHECK(open, of_a_directory_for_writing_is_eisdir)
{
	OK(mkdir("d", 0755));
	FAILS(EISDIR, open("d", O_WRONLY));
	FAILS(EISDIR, open("d", O_RDWR));
	FAILS(EISDIR, open("d", O_RDONLY | O_CREAT, 0644));
	FAILS(EISDIR, open("d", O_WRONLY | O_TRUNC));
	OK(close((int)OK(open("d", O_RDONLY))));
}

CHECK(open, directory_flag_of_a_file_is_enotdir)
{
	enum type t;

	for (t = REG; t < SYMLINK; t++) {
		make(t, "x", 0644);
		if (t != DIRECTORY)
			FAILS(ENOTDIR, open("x", O_RDONLY | O_DIRECTORY));
		remove_any("x");
	}
}

CHECK(open, nofollow_of_a_symlink_is_eloop)
{
	touch("f", 0644);
	OK(symlink("f", "l"));
	FAILS(ELOOP, open("l", O_RDONLY | O_NOFOLLOW));
	OK(close((int)OK(open("l", O_PATH | O_NOFOLLOW))));
	FAILS(ENOTDIR, open("l", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
}

CHECK(open, trunc_empties_and_changes_times)
{
	put("f", "content");
	CHANGES("f", "mc", OK(close((int)OK(open("f", O_WRONLY | O_TRUNC)))));
	EQ(st("f").st_size, 0);
	EQ(st("f").st_blocks, 0);
}

CHECK(open, trunc_needs_write_permission)
{
	put("f", "content");
	AS(USER)
	{
		FAILS(EACCES, open("f", O_RDONLY | O_TRUNC));
	}
	EQ(st("f").st_size, 7);
}

CHECK(open, of_a_fifo_nonblocking)
{
	OK(mkfifo("p", 0644));
	FAILS(ENXIO, open("p", O_WRONLY | O_NONBLOCK));
	OK(close((int)OK(open("p", O_RDONLY | O_NONBLOCK))));
}

CHECK(open, creat_in_anothers_directory_is_eacces)
{
	OK(mkdir("d", 0755));
	AS(USER)
	{
		FAILS(EACCES, open("d/f", O_CREAT | O_WRONLY, 0644));
		FAILS(EACCES, open("d", O_TMPFILE | O_RDWR, 0644));
	}
}

CHECK(open, descriptor_modes_are_kept)
{
	char b[4];
	int fd;

	put("f", "abc");
	fd = (int)OK(open("f", O_RDONLY));
	FAILS(EBADF, write(fd, "x", 1));
	FAILS(EINVAL, ftruncate(fd, 0));
	fd = (int)OK(open("f", O_WRONLY));
	FAILS(EBADF, read(fd, b, 1));
	fd = (int)OK(open("f", O_PATH));
	FAILS(EBADF, read(fd, b, 1));
}

CHECK(tmpfile, has_no_name_until_it_is_linked)
{
	char path[64], b[4];
	int fd = (int)OK(open(".", O_TMPFILE | O_RDWR, 0640));

	EQ(fst(fd).st_nlink, 0);
	EQ(fst(fd).st_mode, S_IFREG | 0640);
	EQ(write(fd, "abc", 3), 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	EQ(fst(fd).st_nlink, 1);
	EQ(st("named").st_ino, fst(fd).st_ino);
	OK(close(fd));
	fd = (int)OK(open("named", O_RDONLY));
	EQ(read(fd, b, 4), 3);
}

CHECK(tmpfile, with_excl_is_never_linked)
{
	char path[64];
	int fd = (int)OK(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640));

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
}

/* ---- reading and writing */
CHECK(read, stops_at_the_end)
{
	char b[16];
	int fd = file();

	EQ(read(fd, b, 16), 0);
	EQ(write(fd, "hello", 5), 5);
	EQ(pread(fd, b, 16, 0), 5);
	EQ(pread(fd, b, 16, 3), 2);
	EQ(pread(fd, b, 16, 5), 0);
	EQ(pread(fd, b, 16, 5 * G), 0);
	EQ(pread(fd, b, 0, 0), 0);
}

CHECK(read, of_a_directory_is_eisdir)
{
	char b[16];
	int fd = (int)OK(open(".", O_RDONLY));

	FAILS(EISDIR, read(fd, b, 16));
}

CHECK(write, beyond_the_end_leaves_a_hole)
{
	int fd = file();

	fill(fd, 100000, 10, 'x');
	EQ(fst(fd).st_size, 100010);
	all(fd, 0, 100000, 0);
	all(fd, 100000, 10, 'x');
	TRUE(fst(fd).st_blocks <= 16);
}

CHECK(write, at_every_offset_around_a_page)
{
	int fd = file(), i;

	fill(fd, 0, 12288, 'a');
	for (i = 4090; i < 4102; i++) {
		fill(fd, i, 7, 'b');
		all(fd, i, 7, 'b');
		fill(fd, i, 7, 'a');
	}
	all(fd, 0, 12288, 'a');
	EQ(fst(fd).st_size, 12288);
}

CHECK(write, of_nothing_changes_nothing)
{
	int fd = file();

	EQ(write(fd, "abc", 3), 3);
	CHANGES("f", "", EQ(write(fd, "", 0), 0));
	CHANGES("f", "", EQ(pwrite(fd, "", 0, 100), 0));
	EQ(fst(fd).st_size, 3);
}

CHECK(write, changes_mtime_and_ctime)
{
	int fd = file();

	CHANGES("f", "mc", EQ(write(fd, "abc", 3), 3));
	CHANGES("f", "mc", EQ(pwrite(fd, "x", 1, 1), 1));
}

CHECK(write, append_goes_to_the_end)
{
	int a = (int)OK(open("f", O_CREAT | O_WRONLY | O_APPEND, 0644));
	int b = (int)OK(open("f", O_WRONLY));

	EQ(write(a, "aa", 2), 2);
	EQ(write(b, "b", 1), 1);
	EQ(pwrite(b, "tail", 4, 10), 4);
	EQ(write(a, "aa", 2), 2);
	EQ(fst(a).st_size, 16);
	EQ(lseek(a, 0, SEEK_CUR), 16);
}

CHECK(write, up_to_the_largest_file_is_efbig_behind_it)
{
	const off_t max = (16ll << 40) - 4096; /* of ext4 with blocks of 4 KiB */
	int fd = file();

	EQ(pwrite(fd, "x", 1, max - 1), 1);
	EQ(fst(fd).st_size, max);
	FAILS(EFBIG, pwrite(fd, "x", 1, max));
	FAILS(EFBIG, ftruncate(fd, max + 1));
	OK(ftruncate(fd, max));
	all(fd, max - 2, 1, 0);
	all(fd, max - 1, 1, 'x');
}

CHECK(write, to_a_negative_offset_is_einval)
{
	int fd = file();

	FAILS(EINVAL, pwrite(fd, "x", 1, -1));
	FAILS(EINVAL, lseek(fd, -1, SEEK_SET));
	FAILS(EINVAL, ftruncate(fd, -1));
}

CHECK(write, beyond_the_resource_limit_is_efbig)
{
	const struct rlimit limit = {10000, 10000};
	int fd = file();

	signal(SIGXFSZ, SIG_IGN);
	OK(setrlimit(RLIMIT_FSIZE, &limit));
	fill(fd, 0, 9000, 'x');
	EQ(pwrite(fd, letters('y', 2000), 2000, 9000), 1000);
	FAILS(EFBIG, pwrite(fd, "x", 1, 10000));
	FAILS(EFBIG, ftruncate(fd, 10001));
	EQ(fst(fd).st_size, 10000);
}

CHECK(write, vectors_are_one_write)
{
	char a[5000], b[3000], c[9000];
	struct iovec v[3] = {{a, sizeof(a)}, {b, sizeof(b)}, {c, sizeof(c)}};
	int fd = file();

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	memset(c, 'c', sizeof(c));
	EQ(writev(fd, v, 3), 17000);
	all(fd, 0, 5000, 'a');
	all(fd, 5000, 3000, 'b');
	all(fd, 8000, 9000, 'c');
	memset(b, 0, sizeof(b));
	EQ(preadv(fd, v, 3, 0), 17000);
	EQ(b[0], 'b');
	EQ(b[2999], 'b');
}

CHECK(write, from_an_unmapped_page_is_efault)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = file();

	OK(munmap(p + 4096, 4096));
	FAILS(EFAULT, write(fd, p + 4096, 10));
	EQ(fst(fd).st_size, 0);
}

CHECK(direct_io, aligned)
{
	char *b = aligned_alloc(4096, 65536);
	int fd = (int)OK(open("f", O_CREAT | O_RDWR | O_DIRECT, 0644));

	memset(b, 'd', 65536);
	EQ(pwrite(fd, b, 65536, 0), 65536);
	EQ(pwrite(fd, b, 4096, 131072), 4096);
	memset(b, 0, 65536);
	EQ(pread(fd, b, 65536, 0), 65536);
	EQ(b[65535], 'd');
	EQ(pread(fd, b, 65536, 131072), 4096);
	EQ(fst(fd).st_size, 135168);
}

CHECK(copy_file_range, copies)
{
	int in = file(), out = (int)OK(open("g", O_CREAT | O_RDWR, 0644)), n = 0;

	fill(in, 0, 300000, 's');
	lseek(in, 0, SEEK_SET);
	while (n < 300000) {
		ssize_t r = copy_file_range(in, NULL, out, NULL, (size_t)(300000 - n), 0);

		TRUE(r > 0);
		n += (int)r;
	}
	all(out, 0, 300000, 's');
}

CHECK(copy_file_range, changes_times_of_the_target_only)
{
	int in, out;

	put("from", "text");
	touch("to", 0644);
	in = (int)OK(open("from", O_RDONLY));
	out = (int)OK(open("to", O_WRONLY));
	CHANGES("to", "mc", EQ(copy_file_range(in, NULL, out, NULL, 4, 0), 4));
	FAILS(EINVAL, copy_file_range(in, NULL, out, NULL, 4, 1));
	FAILS(EBADF, copy_file_range(out, NULL, in, NULL, 4, 0));
}

CHECK(copy_file_range, of_overlapping_ranges_is_einval)
{
	int fd = file();
	off_t a = 0, b = 10;

	fill(fd, 0, 100, 'x');
	FAILS(EINVAL, copy_file_range(fd, &a, fd, &b, 20, 0));
	EQ(copy_file_range(fd, &a, fd, &b, 10, 0), 10);
}

/* ---- mmap */
CHECK(mmap, shared_writes_reach_the_file)
{
	int fd = file();
	char *p, b[4];

	OK(ftruncate(fd, 10000));
	p = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		FAIL("mmap: %s", strerror(errno));
	memcpy(p + 4094, "wxyz", 4);
	OK(msync(p, 10000, MS_SYNC));
	EQ(pread(fd, b, 4, 4094), 4);
	EQ(memcmp(b, "wxyz", 4), 0);
	OK(munmap(p, 10000));
	EQ(fst(fd).st_size, 10000);
}

CHECK(mmap, private_writes_do_not)
{
	int fd = file();
	char *p;

	fill(fd, 0, 4096, 'a');
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		FAIL("mmap: %s", strerror(errno));
	EQ(p[5], 'a');
	p[5] = 'b';
	OK(munmap(p, 4096));
	all(fd, 0, 4096, 'a');
}

CHECK(mmap, shows_what_is_written_later)
{
	int fd = file();
	char *p;

	fill(fd, 0, 4096, 'a');
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		FAIL("mmap: %s", strerror(errno));
	EQ(p[7], 'a');
	fill(fd, 0, 4096, 'b');
	EQ(p[7], 'b');
}

/* ---- truncate */
CHECK(truncate, grows_with_zeros)
{
	int fd = file();

	fill(fd, 0, 5, 'x');
	OK(truncate("f", 100000));
	EQ(st("f").st_size, 100000);
	all(fd, 0, 5, 'x');
	all(fd, 5, 99995, 0);
}

CHECK(truncate, and_grow_again_shows_zeros)
{
	int fd = file();

	fill(fd, 0, 10000, 'x');
	OK(ftruncate(fd, 5000));
	OK(ftruncate(fd, 10000));
	all(fd, 0, 5000, 'x');
	all(fd, 5000, 5000, 0);
}

CHECK(truncate, gives_blocks_back)
{
	int fd = file();

	fill(fd, 0, 500000, 'x');
	OK(fsync(fd));
	TRUE(fst(fd).st_blocks >= 976);
	OK(ftruncate(fd, 0));
	EQ(fst(fd).st_blocks, 0);
}

CHECK(truncate, changes_mtime_and_ctime)
{
	int fd = file();

	fill(fd, 0, 10, 'x');
	CHANGES("f", "mc", OK(truncate("f", 5)));
	CHANGES("f", "mc", OK(truncate("f", 50)));
	CHANGES("f", "mc", OK(ftruncate(fd, 50))); /* to the same size, too */
	CHANGES("f", "mc", OK(truncate("f", 50)));
}

CHECK(truncate, of_what_is_no_file)
{
	OK(mkdir("d", 0755));
	FAILS(EISDIR, truncate("d", 0));
	OK(mkfifo("p", 0644));
	FAILS(EINVAL, truncate("p", 0));
	OK(mknod("s", S_IFSOCK | 0644, 0));
	FAILS(EINVAL, truncate("s", 0));
}

CHECK(truncate, needs_write_permission)
{
	put("f", "content");
	OK(chown("f", USER, USER));
	OK(chmod("f", 0444));
	AS(USER)
	{
		CHANGES("f", "", FAILS(EACCES, truncate("f", 0)));
	}
	OK(chmod("f", 0644));
	AS(OTHER)
	{
		FAILS(EACCES, truncate("f", 0));
	}
	EQ(st("f").st_size, 7);
}

CHECK(truncate, of_a_huge_file)
{
	int fd = file();

	OK(ftruncate(fd, 4 * G + 5));
	EQ(fst(fd).st_size, 4 * G + 5);
	fill(fd, 4 * G, 5, 'e');
	all(fd, 4 * G - 3, 3, 0);
	all(fd, 4 * G, 5, 'e');
	OK(ftruncate(fd, 4 * G + 2));
	EQ(fst(fd).st_size, 4 * G + 2);
}

/* ---- fallocate */
CHECK(posix_fallocate, makes_room_of_zeros)
{
	int fd = file();

	fill(fd, 0, 10, 'x');
	EQ(posix_fallocate(fd, 0, 100000), 0);
	EQ(fst(fd).st_size, 100000);
	TRUE(fst(fd).st_blocks >= 195);
	all(fd, 0, 10, 'x');
	all(fd, 10, 99990, 0);
	EQ(posix_fallocate(fd, 0, 50), 0);
	EQ(fst(fd).st_size, 100000);
}

CHECK(posix_fallocate, errors)
{
	int fd = file(), rd;

	EQ(posix_fallocate(fd, 0, 0), EINVAL);
	EQ(posix_fallocate(fd, -1, 10), EINVAL);
	EQ(posix_fallocate(fd, 0, -1), EINVAL);
	EQ(posix_fallocate(fd, LLONG_MAX - 5, 10), EFBIG);
	EQ(posix_fallocate(fd, (16ll << 40) - 4096, 4096), EFBIG);
	rd = (int)OK(open("f", O_RDONLY));
	EQ(posix_fallocate(rd, 0, 10), EBADF);
	OK(mkfifo("p", 0644));
	rd = (int)OK(open("p", O_RDWR));
	EQ(posix_fallocate(rd, 0, 10), ESPIPE);
	EQ(fst(fd).st_size, 0);
}

CHECK(posix_fallocate, changes_times)
{
	int fd = file();

	CHANGES("f", "mc", EQ(posix_fallocate(fd, 0, 5000), 0));
}

CHECK(posix_fallocate, without_space_is_enospc)
{
	struct statvfs v;
	int fd = file();

	OK(fstatvfs(fd, &v));
	EQ(posix_fallocate(fd, 0, (off_t)(v.f_bfree * v.f_frsize) + 100 * M), ENOSPC);
	OK(ftruncate(fd, 0));
	EQ(fst(fd).st_blocks, 0);
}

CHECK(fallocate, keep_size)
{
	int fd = file();

	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
	EQ(fst(fd).st_size, 0);
	TRUE(fst(fd).st_blocks >= 195);
	fill(fd, 0, 10, 'x');
	EQ(fst(fd).st_size, 10);
}

CHECK(fallocate, punch_hole)
{
	int fd = file();
	blkcnt_t blocks;

	fill(fd, 0, 100000, 'x');
	OK(fsync(fd));
	blocks = fst(fd).st_blocks;
	CHANGES("f", "mc",
		OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 10000, 50000)));
	EQ(fst(fd).st_size, 100000);
	TRUE(fst(fd).st_blocks < blocks);
	all(fd, 0, 10000, 'x');
	all(fd, 10000, 50000, 0);
	all(fd, 60000, 40000, 'x');
	FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
}

CHECK(fallocate, zero_range)
{
	int fd = file();

	fill(fd, 0, 50000, 'x');
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 3000, 20000));
	all(fd, 0, 3000, 'x');
	all(fd, 3000, 20000, 0);
	all(fd, 23000, 27000, 'x');
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 40000, 20000));
	EQ(fst(fd).st_size, 60000);
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 60000, 20000));
	EQ(fst(fd).st_size, 60000);
}

/* ---- lseek */
CHECK(lseek, data_and_hole)
{
	off_t at;
	int fd = file();

	fill(fd, 64 * K, 4096, 'x');
	OK(fsync(fd));
	OK(ftruncate(fd, 1 * M));
	EQ(lseek(fd, 0, SEEK_HOLE), 0);
	at = OK(lseek(fd, 0, SEEK_DATA));
	EQ(at, 64 * K);
	EQ(lseek(fd, 64 * K, SEEK_HOLE), 68 * K);
	EQ(lseek(fd, 65 * K, SEEK_DATA), 65 * K);
	FAILS(ENXIO, lseek(fd, 100 * K, SEEK_DATA));
	FAILS(ENXIO, lseek(fd, 1 * M, SEEK_DATA));
	FAILS(ENXIO, lseek(fd, 1 * M, SEEK_HOLE));
	EQ(lseek(fd, 1 * M - 1, SEEK_HOLE), 1 * M - 1);
	FAILS(ENXIO, lseek(fd, -1, SEEK_DATA));
}

CHECK(lseek, whence)
{
	int fd = file();

	fill(fd, 0, 100, 'x');
	EQ(lseek(fd, 0, SEEK_END), 100);
	EQ(lseek(fd, -10, SEEK_END), 90);
	EQ(lseek(fd, 5, SEEK_CUR), 95);
	EQ(lseek(fd, 1000, SEEK_SET), 1000);
	EQ(fst(fd).st_size, 100);
	FAILS(EINVAL, lseek(fd, 0, 77));
	FAILS(EINVAL, lseek(fd, -2000, SEEK_CUR));
}

/* ---- fsync */
CHECK(fsync, of_files_and_directories)
{
	int fd = file(), dir = (int)OK(open(".", O_RDONLY | O_DIRECTORY));

	fill(fd, 0, 10000, 'x');
	OK(fsync(fd));
	OK(fdatasync(fd));
	OK(fsync(dir));
	OK(fdatasync(dir));
	OK(syncfs(fd));
	OK(unlink("f"));
	OK(fsync(fd));
	OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	OK(close((int)OK(open("s", O_CREAT | O_WRONLY | O_SYNC, 0644))));
}

CHECK(fsync, changes_no_time)
{
	int fd = file();

	fill(fd, 0, 10000, 'x');
	CHANGES("f", "", OK(fsync(fd)));
}

CHECK(fsync, of_a_read_only_descriptor)
{
	int fd;

	touch("f", 0644);
	fd = (int)OK(open("f", O_RDONLY));
	OK(fsync(fd));
	OK(fdatasync(fd));
}

/* ---- the filesystem */
CHECK(statvfs, says_what_there_is)
{
	struct statvfs a, b;
	int fd;

	OK(statvfs(".", &a));
	EQ(a.f_bsize, 4096);
	EQ(a.f_namemax, NAME_MAX);
	TRUE(a.f_bfree <= a.f_blocks && a.f_bavail <= a.f_bfree && a.f_ffree <= a.f_files);
	fd = file();
	fill(fd, 0, 1 << 20, 'x');
	OK(fsync(fd));
	OK(statvfs(".", &b));
	TRUE(a.f_bfree - b.f_bfree >= 256);
	EQ(a.f_ffree - b.f_ffree, 1);
	OK(close(fd));
	OK(unlink("f"));
	OK(statvfs(".", &b));
	/* FUSE tells of the last close behind the back of who closes */
	for (int i = 0; i < 2000 && a.f_ffree != b.f_ffree; i++) {
		usleep(10000);
		OK(statvfs(".", &b));
	}
	EQ(a.f_ffree, b.f_ffree);
}

CHECK(pathconf, limits)
{
	EQ(pathconf(".", _PC_NAME_MAX), NAME_MAX);
	EQ(pathconf(".", _PC_PATH_MAX), PATH_MAX);
	EQ(pathconf(".", _PC_CHOWN_RESTRICTED), 1);
	EQ(pathconf(".", _PC_NO_TRUNC), 1);
}

CHECK(stat, shows_one_device_and_distinct_numbers)
{
	touch("a", 0644);
	touch("b", 0644);
	EQ(st("a").st_dev, st(".").st_dev);
	TRUE(st("a").st_ino != st("b").st_ino);
	EQ(st("a").st_blksize, 4096);
	EQ(st("a").st_rdev, 0);
}

CHECK(stat, birth_time)
{
	struct statx x, y;

	touch("a", 0644);
	OK(statx(AT_FDCWD, "a", 0, STATX_BASIC_STATS | STATX_BTIME, &x));
	if (!on_ext4 && !(x.stx_mask & STATX_BTIME))
		not_asked("FUSE as it is mounted does not carry the birth time");
	TRUE(x.stx_mask & STATX_BTIME);
	EQ(x.stx_btime.tv_sec, x.stx_ctime.tv_sec);
	tick();
	OK(chmod("a", 0600));
	OK(statx(AT_FDCWD, "a", 0, STATX_BASIC_STATS | STATX_BTIME, &y));
	EQ(x.stx_btime.tv_nsec, y.stx_btime.tv_nsec);
}
