package sim

// Bug is a known bug of Apache ZooKeeper, or none.
type Bug string
