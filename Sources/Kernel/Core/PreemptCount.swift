/// Why a CPU may not be preempted, in the kernel's own layout.
///
/// Kernel: `preempt_count()` (include/linux/preempt.h, 6.12): preemption in bits 0 to 7, softirq
/// in 8 to 15, hardirq in 16 to 19, NMI in 20 to 23.
package struct PreemptCount: BitwiseCopyable, Equatable {
  package private(set) var bits: UInt32 = 0

  static let preemption: UInt32 = 1
  /// What serving a softirq adds; BH-disable adds twice that. Kernel: `SOFTIRQ_OFFSET`.
  static let softirq: UInt32 = 1 << 8
  static let bottomHalvesOff: UInt32 = 2 << 8
  static let hardirq: UInt32 = 1 << 16
  static let nmi: UInt32 = 1 << 20

  @inline(__always) mutating func add(_ part: UInt32) { bits &+= part }
  @inline(__always) mutating func subtract(_ part: UInt32) {
    assert(bits >= part, "a context mask is lifted once too often")
    bits &-= part
  }

  /// Kernel: `in_task()`.
  package var inTask: Bool { bits & 0x00FF_0100 == 0 }
  /// Includes a task with bottom halves off. Kernel: `in_interrupt()`.
  package var inInterrupt: Bool { bits & 0x00FF_FF00 != 0 }
  package var inHardIRQ: Bool { bits & 0x000F_0000 != 0 }
  package var inNMI: Bool { bits & 0x00F0_0000 != 0 }
  /// A softirq, or bottom halves off. Kernel: `in_softirq()`.
  package var inSoftIRQ: Bool { bits & 0x0000_FF00 != 0 }
  /// Kernel: `in_serving_softirq()`.
  package var inServingSoftIRQ: Bool { bits & 0x0000_0100 != 0 }
  package var bottomHalvesAreOff: Bool { bits & 0x00FF_FF00 != 0 }
  /// Kernel: `in_atomic()`.
  package var inAtomic: Bool { bits != 0 }
}
