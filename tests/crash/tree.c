/* SPDX-License-Identifier: BSD-2-Clause */
/* What a mounted filesystem shows, as text and contents, so that two can be compared. */
#include "pool/frame.h"
#include "tests/crash/crash.h"

#define MAX_LINES 512u
#define LINE 1400u
#define DEPTH 8u

struct list {
	struct {
		char name[256];
		u32 len;
	} entry[MAX_LINES];
	u32 n;
};

struct lines {
	char *line[MAX_LINES];
	u32 n;
};

static bool add_entry(void *arg, const struct fs_dirent *e)
{
	struct list *list = arg;

	if (e->name.s[0] == '.' && (e->name.len == 1 || (e->name.len == 2 && e->name.s[1] == '.')))
		return true;
	if (list->n == MAX_LINES)
		crash_fail("too many names");
	memcpy(list->entry[list->n].name, e->name.s, e->name.len);
	list->entry[list->n].name[e->name.len] = 0;
	list->entry[list->n++].len = e->name.len;
	return true;
}

static u8 *read_file(struct exec *x, node_t node, u64 size)
{
	u8 *data = calloc(1, size + 1);
	u64 done = 0;

	while (done < size) {
		struct fs_seg segs[FS_IO_SEGS];
		u32 nsegs, sum = 0;
		int n = fs_read(x, node, done, (u32)min_of(size - done, (u64)FS_IO_MAX), segs,
				&nsegs);

		if (n <= 0)
			crash_fail("a file of %llu bytes cannot be read at %llu: %d (%s)",
				   (unsigned long long)size, (unsigned long long)done, n,
				   crash_log());
		for (u32 i = 0; i < nsegs; i++) {
			struct frame *f = frame_of(x, segs[i].frame);

			memcpy(data + done + sum, (u8 *)frame_data(x, f) + segs[i].offset,
			       segs[i].len);
			sum += segs[i].len;
			frame_unpin(x, f);
		}
		done += (u64)n;
	}
	return data;
}

static u32 sum_of(const void *data, size_t len)
{
	const u8 *p = data;
	u32 h = 2166136261u;

	while (len--)
		h = (h ^ *p++) * 16777619u;
	return h;
}

static int put_xattrs(struct exec *x, node_t node, char *out, size_t size)
{
	static char names[4096];
	static u8 value[8192];
	int n = fs_listxattr(x, node, names, sizeof(names)), used = 0;

	if (n < 0)
		crash_fail("xattrs cannot be listed: %d (%s)", n, crash_log());
	for (char *p = names; p < names + n; p += strlen(p) + 1) {
		struct fs_name name = {p, (u32)strlen(p)};
		int len = fs_getxattr(x, node, name, value, sizeof(value));

		if (len < 0)
			crash_fail("xattr %s cannot be read: %d (%s)", p, len, crash_log());
		used += snprintf(out + used, size - (size_t)used, " %s=%d:%08x", p, len,
				 sum_of(value, (size_t)len));
	}
	return used;
}

/* One line; true if the node is new. */
static bool add_line(struct exec *x, struct tree *t, struct lines *lines, const char *path,
		     const struct fs_attr *a)
{
	char *line = malloc(LINE);
	int n;

	n = snprintf(line, LINE,
		     "%s %llx mode %o links %u owner %u:%u rdev %x size %llu blocks %llu "
		     "mtime %lld.%09u ctime %lld.%09u",
		     path, (unsigned long long)a->node, a->mode, a->nlink, a->uid, a->gid, a->rdev,
		     (unsigned long long)a->size, (unsigned long long)a->blocks,
		     (long long)a->mtime.sec, a->mtime.nsec, (long long)a->ctime.sec,
		     a->ctime.nsec);
	n += put_xattrs(x, a->node, line + n, LINE - (size_t)n);
	if ((a->mode & 0xF000) == 0xA000) {
		char target[4097];
		int len = fs_readlink(x, a->node, target, 4096);

		if (len < 0)
			crash_fail("symlink %s cannot be read: %d (%s)", path, len, crash_log());
		snprintf(line + n, LINE - (size_t)n, " -> %d:%08x", len,
			 sum_of(target, (size_t)len));
	}
	if (lines->n == MAX_LINES)
		crash_fail("too many names");
	lines->line[lines->n++] = line;
	if ((a->mode & 0xF000) != 0x8000 || tree_node(t, a->node))
		return false;
	if (t->nnodes == MAX_NODES)
		crash_fail("too many files");
	if (a->size > 4u << 20)
		crash_fail("%s has %llu bytes", path, (unsigned long long)a->size);
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void join(struct tree *t, struct lines *lines)
{
	size_t size = 1, at = 0;

	qsort(lines->line, lines->n, sizeof(lines->line[0]), by_text);
	for (u32 i = 0; i < lines->n; i++)
		size += strlen(lines->line[i]) + 1;
	t->text = malloc(size);
	t->text[0] = 0;
	for (u32 i = 0; i < lines->n; i++) {
		at += (size_t)sprintf(t->text + at, "%s\n", lines->line[i]);
		free(lines->line[i]);
	}
}

static void read_dir(struct exec *x, const char *path, node_t dir, struct list *list)
{
	int err;

	list->n = 0;
	err = fs_readdir(x, dir, 0, false, add_entry, list);
	if (err < 0)
		crash_fail("directory %s cannot be read after %u steps: %d (%s)", path,
			   history.nstates, err, crash_log());
}

void tree_read(struct exec *x, struct tree *t)
{
	static struct list lists[DEPTH];
	struct {
		node_t node;
		char path[600];
		u32 next;
	} stack[DEPTH];
	struct lines lines = {.n = 0};
	struct fs_statfs st;
	struct fs_attr a;
	u32 top = 0;

	memset(t, 0, sizeof(*t));
	stack[0].node = FS_ROOT;
	stack[0].path[0] = 0;
	stack[0].next = 0;
	if (fs_getattr(x, FS_ROOT, &a))
		crash_fail("the root has no attributes (%s)", crash_log());
	add_line(x, t, &lines, "/", &a);
	read_dir(x, "/", FS_ROOT, &lists[0]);
	for (;;) {
		char path[600];
		struct fs_name name;
		int err;

		if (stack[top].next == lists[top].n) {
			if (!top--)
				break;
			continue;
		}
		name.s = lists[top].entry[stack[top].next].name;
		name.len = lists[top].entry[stack[top].next++].len;
		snprintf(path, sizeof(path), "%s/%s", stack[top].path, name.s);
		err = fs_lookup(x, stack[top].node, name, &a);
		if (err)
			crash_fail("%s is listed and cannot be looked up: %d (%s)", path, err,
				   crash_log());
		if (add_line(x, t, &lines, path, &a))
			t->nodes[t->nnodes++] =
				(struct node){a.node, a.size, read_file(x, a.node, a.size)};
		if ((a.mode & 0xF000) == 0x4000) {
			if (++top == DEPTH)
				crash_fail("%s: too deep", path);
			stack[top].node = a.node;
			stack[top].next = 0;
			snprintf(stack[top].path, sizeof(stack[top].path), "%s", path);
			read_dir(x, path, a.node, &lists[top]);
		}
	}
	if (fs_statfs(x, &st))
		crash_fail("statfs");
	t->free_blocks = st.bfree;
	t->free_inodes = st.ffree;
	join(t, &lines);
}

void tree_free(struct tree *t)
{
	for (u32 i = 0; i < t->nnodes; i++)
		free(t->nodes[i].data);
	free(t->text);
	memset(t, 0, sizeof(*t));
}

const struct node *tree_node(const struct tree *t, node_t node)
{
	for (u32 i = 0; i < t->nnodes; i++)
		if (t->nodes[i].node == node)
			return &t->nodes[i];
	return NULL;
}
