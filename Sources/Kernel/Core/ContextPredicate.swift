/// What code may ask of the context that it runs in, by the kernel's names.
///
/// Kernel: include/linux/preempt.h, `irqs_disabled()` (include/linux/irqflags.h, 6.12).
package enum ContextPredicate: UInt8, CaseIterable, BitwiseCopyable, Sendable {
  case in_task, in_interrupt, in_softirq, in_serving_softirq, in_hardirq, in_nmi, in_atomic
  case irqs_disabled, preemptible

  package var text: String { "\(self)" }

  func holds(_ cpu: CPU) -> Bool {
    let count = cpu.preemptCount
    return switch self {
    case .in_task: count.inTask
    case .in_interrupt: count.inInterrupt
    case .in_softirq: count.inSoftIRQ
    case .in_serving_softirq: count.inServingSoftIRQ
    case .in_hardirq: count.inHardIRQ
    case .in_nmi: count.inNMI
    case .in_atomic: count.inAtomic
    case .irqs_disabled: cpu.irqsOff > 0
    case .preemptible: !count.inAtomic && cpu.irqsOff == 0
    }
  }
}
