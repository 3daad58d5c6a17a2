/* SPDX-License-Identifier: BSD-2-Clause */
/* Start of a test program: stack, bss, main, then stop. */
	.section .text.start
	.globl _start
_start:
	la	sp, __stack
	la	t0, trap
	csrw	mtvec, t0
	la	t0, __bss
	la	t1, __bss_end
1:	bgeu	t0, t1, 2f
	sw	zero, 0(t0)
	addi	t0, t0, 4
	j	1b
2:	call	main
3:	j	3b

	/* A trap is a failure: PHASE = 0xdead0000 | mcause. */
	.balign 4
trap:	csrr	t0, mcause
	li	t1, 0xdead0000
	or	t0, t0, t1
	li	t1, 0x80000014
	sw	t0, 0(t1)
4:	j	4b
