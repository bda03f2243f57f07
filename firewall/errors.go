package firewall

import "errors"

// Why rules cannot be applied at all. What applies them wraps the system's own error too.
var (
	ErrPermission  = errors.New("the capability CAP_NET_ADMIN is needed")
	ErrUnsupported = errors.New("no nf_tables here")
)
