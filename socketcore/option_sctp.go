package socketcore

// SolSCTP is the level of SCTP's options and control messages.
const SolSCTP = 132

var sctpOptions = []Option{}
