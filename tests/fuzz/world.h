/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all fuzz targets share: a small valid image in memory, a map of the structures in it, a
 * platform that runs on it and notices what must not happen, and inputs made of records.
 *
 * An input is a header and records of 8 bytes. Patches are applied to the image before it is
 * mounted, and the checksums of what they touched are made right again; operations and faults come
 * after. So every sequence of bytes is an input, and nearly every one gets beyond the checksums.
 */
#ifndef MPDISK_FUZZ_WORLD_H
#define MPDISK_FUZZ_WORLD_H

#include "fs/fs.h"
#include "pool/frame.h"

/* ---- inputs */
#define RUN_READ_ONLY 0x01u
#define RUN_NO_CSUM 0x02u /* the image without metadata_csum */
#define RUN_NO_FIX 0x04u  /* checksums stay as they are: wrong */
#define RUN_NO_WALK 0x08u
#define RUN_BIG 0x10u /* the image with a directory whose index is full */
#define RUN_NO_SYNC 0x20u
#define RUN_FEW_FRAMES 0x40u /* the pool has only few free frames */

struct header {
	u8 flags;   /* RUN_* */
	u8 policy;  /* 1..3: s_errors; else as it is */
	u16 script; /* bits: which directories and files are changed (exercise.c) */
	u32 reserved;
};

enum record_kind {
	REC_SET8,
	REC_SET16,
	REC_SET32,
	REC_ADD,
	REC_COPY,
	REC_FILL,
	REC_OP,
	REC_FAULT,
	REC_KINDS
};

struct record {
	u8 kind;  /* enum record_kind, modulo REC_KINDS */
	u8 where; /* place, operation, or kind of request that fails */
	u16 at;   /* byte in the place; nodes of the operation; number of the request */
	u32 value;
};

#define RECORDS_MAX 40u

struct input {
	struct header head;
	struct record rec[RECORDS_MAX];
	u32 n;
};

void input_parse(struct input *in, const u8 *data, size_t size);

/* ---- the image */
enum place_kind {
	PLACE_SUPER,
	PLACE_GDT,
	PLACE_BLOCK_BITMAP,
	PLACE_INODE_BITMAP,
	PLACE_INODE,
	PLACE_EXTENT,
	PLACE_DIR,
	PLACE_DX,
	PLACE_XATTR,
	PLACE_DATA,
	PLACE_LOG
};

#define PLACES_MAX 160u

/* Bytes of the image that are one structure. */
struct place {
	u32 offset;
	u32 len;
	u32 ino; /* whose it is; of bitmaps and descriptors: the group */
	enum place_kind kind;
	bool dir; /* the inode, or its owner, is a directory */
};

struct image {
	u8 *clean;
	u8 *now;
	u32 blocks;
	u8 *changed; /* by block */
	struct place place[PLACES_MAX];
	u32 nplaces;
};

void image_restore(struct image *m);
void image_patch(struct image *m, const struct input *in, bool fix,
		 bool (*wanted)(const struct place *));
/* Those that the target patches, counted from 0. */
const struct place *image_place(const struct image *m, u32 n, bool (*wanted)(const struct place *));

/* ---- the platform */
struct world {
	struct image *image;
	struct plat *plat;
	struct pool pool;
	struct exec x;
	u32 pool_size;
	fno_t held[2048]; /* frames that nobody else is to have */
	u32 nheld;
};

extern struct world world;

/* Ends the process in a way that a fuzzer notices. */
void world_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
bool world_verbose(void);
/* The image's path in the folder of images. */
struct image *world_image(const char *name);
/* The platform and an empty pool over the image. */
void world_open(struct image *m, u32 pool_size, bool read_only);
/* Leaves so many free frames, the others are held until world_close(). */
void world_few_frames(u32 n);
void world_fault(u32 op, u32 n, u32 count);
/* No frame may be lost, and nothing may hang: between the operations too. */
void world_check_idle(void);
/* The same of another executor, which begins with it. */
void world_check_exec(struct exec *x);
/* whole: the unmount succeeded, or there was no mount. What an aborted transaction has stays until
 * the pool is laid out anew. */
void world_close(bool whole);
/* A known errno, or a count. */
int known(int err);

/* ---- what is done with a mounted filesystem (exercise.c) */
void exercise_walk(struct exec *x);
/* Mounts, walks, changes, unmounts as the input says. */
void exercise(struct image *m, const struct input *in);

/* ---- of each target */
bool target_wanted(const struct place *p) __attribute__((weak));
/* With checksums, without (RUN_NO_CSUM), and two others (RUN_BIG; both). */
extern const char target_images[4][12];
/* The image that the input is about; of targets that patch one. */
struct image *target_image(const struct input *in) __attribute__((weak));

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max) __attribute__((weak));

#endif
