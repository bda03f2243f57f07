package e2e

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// A register is a znode whose value and version are read and written by several clients at once.
// Its model is the sequential register; porcupine searches an order of all recorded operations that the model allows
// and that keeps every operation between its call and its return.

type registerKind int

const (
	readRegister registerKind = iota
	setRegister               // whatever its version
	casRegister               // only at a version
)

// A registerCall is what a client asked for.
type registerCall struct {
	kind    registerKind
	path    string
	value   string // to write; unique in the test
	version int32  // at which casRegister writes
}

// A registerReply is what the client was told.
type registerReply struct {
	lost    bool // the connection was lost: the call may have happened or not
	refused bool // bad version
	value   string
	version int32 // read, or after the write
}

// A registerState is one register; its version grows by one with each write.
type registerState struct {
	value   string
	version int32
}

// initialRegister is the state of a register that was just created.
var initialRegister = registerState{value: "initial"}

var registerModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		var order []string
		parts := map[string][]porcupine.Operation{}
		for _, op := range history {
			path := op.Input.(registerCall).path
			if parts[path] == nil {
				order = append(order, path)
			}
			parts[path] = append(parts[path], op)
		}
		partition := make([][]porcupine.Operation, len(order))
		for i, path := range order {
			partition[i] = parts[path]
		}
		return partition
	},
	Init: func() any { return initialRegister },
	Step: func(state, input, output any) (bool, any) {
		return stepRegister(state.(registerState), input.(registerCall), output.(registerReply))
	},
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v -> %+v", input, output)
	},
}

// stepRegister says whether a register in that state may answer so, and what it becomes. A lost call never returns,
// so porcupine may put it behind everything else: that stands for a call that did not happen.
func stepRegister(state registerState, call registerCall, reply registerReply) (bool, registerState) {
	written := registerState{call.value, state.version + 1}
	switch {
	case call.kind == readRegister:
		return reply.lost || reply.value == state.value && reply.version == state.version, state
	case call.kind == casRegister && call.version != state.version:
		return reply.lost || reply.refused, state
	default:
		return reply.lost || !reply.refused && reply.version == written.version, written
	}
}
