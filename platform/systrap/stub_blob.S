/* The stub's image, to be mapped at STUB_TEXT in every stub. */
	.section .rodata
	.balign 4096
	.globl stub_blob, stub_blob_end
stub_blob:
	.incbin "stub.bin"
stub_blob_end:
	.section .note.GNU-stack, "", @progbits
