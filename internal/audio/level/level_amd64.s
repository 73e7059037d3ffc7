#include "textflag.h"

// func measureAVX2(x *float32, n int) (squares float64, peak float32, finite int64)
//
// Y0-Y3  sums of squares, float64      Y6  mask of all bits but the sign
// Y4     largest magnitudes            Y7  +Inf
// Y5     minus the finite samples, int32 lanes
TEXT ·measureAVX2(SB), NOSPLIT, $0-40
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VPXOR  Y5, Y5, Y5
	MOVL $0x7fffffff, AX
	MOVL AX, X6
	VPBROADCASTD X6, Y6
	MOVL $0x7f800000, AX
	MOVL AX, X7
	VPBROADCASTD X7, Y7

loop:
	VANDPS (SI), Y6, Y8
	VANDPS 32(SI), Y6, Y9

	// Magnitudes below infinity are finite; the comparison is false for NaN. The others become 0.
	VCMPPS $0x11, Y7, Y8, Y10
	VCMPPS $0x11, Y7, Y9, Y11
	VANDPS Y10, Y8, Y8
	VANDPS Y11, Y9, Y9
	VPADDD Y10, Y5, Y5
	VPADDD Y11, Y5, Y5
	VMAXPS Y8, Y4, Y4
	VMAXPS Y9, Y4, Y4

	VEXTRACTF128 $1, Y8, X10
	VEXTRACTF128 $1, Y9, X11
	VCVTPS2PD X8, Y12
	VCVTPS2PD X10, Y13
	VCVTPS2PD X9, Y14
	VCVTPS2PD X11, Y15
	VFMADD231PD Y12, Y12, Y0
	VFMADD231PD Y13, Y13, Y1
	VFMADD231PD Y14, Y14, Y2
	VFMADD231PD Y15, Y15, Y3

	ADDQ $64, SI
	SUBQ $16, CX
	JNZ  loop

	// Sum of the sums.
	VADDPD Y1, Y0, Y0
	VADDPD Y3, Y2, Y2
	VADDPD Y2, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPD X1, X0, X0
	VUNPCKHPD X0, X0, X1
	VADDSD X1, X0, X0
	VMOVSD X0, squares+16(FP)

	// Largest of the largest.
	VEXTRACTF128 $1, Y4, X1
	VMAXPS X1, X4, X4
	VPSHUFD $0x4e, X4, X1
	VMAXPS X1, X4, X4
	VPSHUFD $0xb1, X4, X1
	VMAXPS X1, X4, X4
	VMOVSS X4, peak+24(FP)

	// Minus the sum of the counters.
	VEXTRACTI128 $1, Y5, X1
	VPADDD X1, X5, X5
	VPSHUFD $0x4e, X5, X1
	VPADDD X1, X5, X5
	VPSHUFD $0xb1, X5, X1
	VPADDD X1, X5, X5
	VMOVD X5, AX
	MOVLQSX AX, AX
	NEGQ AX
	MOVQ AX, finite+32(FP)
	VZEROUPPER
	RET
