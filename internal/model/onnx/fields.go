package onnx

import "google.golang.org/protobuf/encoding/protowire"

// Field numbers of onnx.proto3. Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
const (
	modelIRVersion protowire.Number = 1
	modelProducer  protowire.Number = 2
	modelGraph     protowire.Number = 7
	modelOpset     protowire.Number = 8

	opsetDomain  protowire.Number = 1
	opsetVersion protowire.Number = 2

	graphNode        protowire.Number = 1
	graphName        protowire.Number = 2
	graphInitializer protowire.Number = 5
	graphInput       protowire.Number = 11
	graphOutput      protowire.Number = 12
	graphValue       protowire.Number = 13

	nodeInput     protowire.Number = 1
	nodeOutput    protowire.Number = 2
	nodeName      protowire.Number = 3
	nodeOp        protowire.Number = 4
	nodeAttribute protowire.Number = 5
	nodeDomain    protowire.Number = 7

	attributeName    protowire.Number = 1
	attributeFloat   protowire.Number = 2
	attributeInt     protowire.Number = 3
	attributeString  protowire.Number = 4
	attributeTensor  protowire.Number = 5
	attributeGraph   protowire.Number = 6
	attributeFloats  protowire.Number = 7
	attributeInts    protowire.Number = 8
	attributeStrings protowire.Number = 9
	attributeKind    protowire.Number = 20

	tensorDim      protowire.Number = 1
	tensorType     protowire.Number = 2
	tensorFloats   protowire.Number = 4
	tensorInt32s   protowire.Number = 5
	tensorInt64s   protowire.Number = 7
	tensorName     protowire.Number = 8
	tensorRaw      protowire.Number = 9
	tensorExternal protowire.Number = 13
	tensorLocation protowire.Number = 14
	locatedOutside                  = 1 // DataLocation.EXTERNAL

	entryKey   protowire.Number = 1
	entryValue protowire.Number = 2

	valueName protowire.Number = 1
	valueType protowire.Number = 2

	typeTensor        protowire.Number = 1
	tensorTypeElement protowire.Number = 1
	tensorTypeShape   protowire.Number = 2
	shapeDim          protowire.Number = 1
	dimSize           protowire.Number = 1
	dimName           protowire.Number = 2
)
