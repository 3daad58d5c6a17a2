/* SPDX-License-Identifier: BSD-2-Clause */
/* Reset and traps of the soft core. */
	.section .text.start, "ax"
	.globl _start
_start:
	/* A jump to 0 that is no reset: PHASE is not 0 then. */
	li	t0, 0x80000014		/* SYS.PHASE */
	lw	t0, 0(t0)
	bnez	t0, trap_entry
	la	sp, __boot_stack_top
	la	t0, trap_entry
	csrw	mtvec, t0
	csrw	mie, zero
	csrci	mstatus, 8
	.word	0x500F			/* empty data cache */
	la	t0, __bss
	la	t1, __bss_end
1:	bgeu	t0, t1, 2f
	sw	zero, 0(t0)
	addi	t0, t0, 4
	j	1b
2:	call	boot_main
3:	j	3b

	/* All registers for the report; there is no way back from a trap. */
	.text
	.balign 4
trap_entry:
	csrw	mscratch, t0
	la	t0, trap_registers
	sw	ra, 4(t0)
	sw	sp, 8(t0)
	sw	gp, 12(t0)
	sw	tp, 16(t0)
	sw	t1, 24(t0)
	sw	t2, 28(t0)
	sw	s0, 32(t0)
	sw	s1, 36(t0)
	sw	a0, 40(t0)
	sw	a1, 44(t0)
	sw	a2, 48(t0)
	sw	a3, 52(t0)
	sw	a4, 56(t0)
	sw	a5, 60(t0)
	sw	a6, 64(t0)
	sw	a7, 68(t0)
	sw	s2, 72(t0)
	sw	s3, 76(t0)
	sw	s4, 80(t0)
	sw	s5, 84(t0)
	sw	s6, 88(t0)
	sw	s7, 92(t0)
	sw	s8, 96(t0)
	sw	s9, 100(t0)
	sw	s10, 104(t0)
	sw	s11, 108(t0)
	sw	t3, 112(t0)
	sw	t4, 116(t0)
	sw	t5, 120(t0)
	sw	t6, 124(t0)
	csrr	t1, mscratch
	sw	t1, 20(t0)
	csrr	a0, mcause
	csrr	a1, mepc
	csrr	a2, mtval
	la	sp, __boot_stack_top
	call	trap_report
4:	j	4b
