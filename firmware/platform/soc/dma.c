// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bulk memory: by the DMA engine where that is faster, else by the core.
 *
 * The core waits for the engine without letting other fibers run: a page takes about a thousand
 * cycles, and the callers may hold locks that are never held over a wait.
 */
#include "platform/soc/soc.h"
#include "format/crc32c.h"

#include <string.h>

#define OP_COPY 0u
#define OP_FILL 1u
#define OP_CRC 2u
#define DESC_DONE 1u

/* Below these the core is faster (docs: measured with make bench). */
#define CRC_MIN 48u
#define COPY_MIN 64u

static void dma_run(struct plat *plat, u32 op, u32 src, u32 dst, u32 len)
{
	volatile u32 *desc = plat->dma_desc;

	desc[DMA_DESC_NEXT / 4] = 0;
	desc[DMA_DESC_CONTROL / 4] = op;
	desc[DMA_DESC_SRC / 4] = src;
	desc[DMA_DESC_DST / 4] = dst;
	desc[DMA_DESC_LEN / 4] = len;
	desc[DMA_DESC_STATUS / 4] = 0;
	SOC_REG(DMA, HEAD) = plat->dma_ref;
	while (SOC_REG(DMA, STATUS) & 1)
		;
	if (desc[DMA_DESC_STATUS / 4] != DESC_DONE)
		plat_panic(plat, "DMA engine refused a descriptor", __FILE__, __LINE__);
}

void soc_dma_copy(struct plat *plat, ref_t dst, ref_t src, u32 len)
{
	dma_run(plat, OP_COPY, src, dst, len);
	soc_cache_invalidate();
}

void soc_dma_fill(struct plat *plat, ref_t dst, u32 pattern, u32 len)
{
	dma_run(plat, OP_FILL, pattern, dst, len);
	soc_cache_invalidate();
}

static u32 soc_dma_crc32c(struct plat *plat, u32 crc, ref_t src, u32 len)
{
	dma_run(plat, OP_CRC, src, crc, len);
	return plat->dma_desc[DMA_DESC_RESULT / 4];
}

/*
 * Data of files may have been written by hosts behind the data cache: it is read past it. The
 * engine does that anyway; a few bytes are read through the uncached alias of memory.
 */
void plat_copy(struct plat *plat, void *dst, const void *src, u32 len)
{
	const uintptr_t uncached = (uintptr_t)src | (SYS_MEMORY_UNCACHED ^ SYS_MEMORY_BASE);

	if (!plat->dma_desc || !soc_in_memory(dst) || !soc_in_memory(src))
		memcpy(dst, src, len);
	else if (len >= COPY_MIN)
		soc_dma_copy(plat, soc_offset(dst), soc_offset(src), len);
	else
		memcpy(dst, (const void *)uncached, len);
}

/* memset() hands large pieces in memory to the engine. */
void plat_zero(struct plat *plat, void *dst, u32 len)
{
	(void)plat;
	memset(dst, 0, len);
}

u32 plat_crc32c(struct plat *plat, u32 crc, const void *data, u32 len)
{
	if (len >= CRC_MIN && plat->dma_desc && soc_in_memory(data))
		return soc_dma_crc32c(plat, crc, soc_offset(data), len);
	return crc32c(crc, data, len);
}

/* For the few bytes that are not worth a descriptor: half a byte at a time, so that the table does
 * not push everything else out of the data cache. */
u32 crc32c(u32 crc, const void *data, u32 len)
{
	static const u32 half[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
				     0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
				     0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
				     0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
	const u8 *p = data;

	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ half[crc & 15];
		crc = crc >> 4 ^ half[crc & 15];
	}
	return crc;
}
