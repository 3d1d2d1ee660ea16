import Simulation

/// What a tool has a CPU do: kernel functions called one after the other in a context of choice,
/// their replies kept. For comparing single operations with recordings; workloads use programs.
package struct Visit: ~Copyable {
  package enum Place: UInt8, BitwiseCopyable, Sendable {
    case task, irqsOff, softirq, hardirq
  }
  /// The number of the interrupt source that brings a visit to softirq or hardirq.
  static let source = 31

  /// What is called, in order.
  package var frames: Buffer<Frame>
  package internal(set) var replies: Buffer<Reply>
  /// Frames to call, and those that have returned.
  package internal(set) var count: Int
  package internal(set) var returned: Int
  package internal(set) var place: Place
  /// Whether a null address or no page ends the visit, as a driver that gives up.
  package internal(set) var endsAtNull: Bool
  package internal(set) var isDone: Bool
  /// The other thing that a tool has CPUs do: a loop on several of them at once.
  package internal(set) var churn: Churn

  init() {
    churn = Churn()
    frames = Buffer(16, .script(Script(from: 0, to: 0)))
    replies = Buffer(16, .none)
    (count, returned, place, endsAtNull, isDone) = (0, 0, .task, false, true)
  }
  private init(cloning other: borrowing Visit) {
    churn = other.churn.clone()
    frames = other.frames.clone()
    replies = other.replies.clone()
    (count, returned, place) = (other.count, other.returned, other.place)
    (endsAtNull, isDone) = (other.endsAtNull, other.isDone)
  }
  func clone() -> Visit { Visit(cloning: self) }

  /// Whether the vector's softirq is a visit's.
  func wants(_ vector: SoftIRQ) -> Bool { !isDone && place == .softirq && vector == .tasklet }
}

/// Makes the calls of the visit.
package enum VisitPath: Path {
  case start
  /// The hardirq of a visit to softirq raises it, as a driver's does.
  case raised
  case next
  case returned
  case irqsOn

  package static var name: PathName { .script }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start:
      switch world.visit.place {
      case .irqsOff: return ask(.disable(.irqs), then: .next)
      case .softirq where !world.cpus[cpu].preemptCount.inServingSoftIRQ:
        return ask(.raise(.tasklet), then: .raised)
      default: return call(&world)
      }
    case .raised: return .return()
    case .next: return call(&world)
    case .returned:
      world.visit.replies[world.visit.returned] = reply
      world.visit.returned += 1
      if world.visit.endsAtNull, reply.isNull { world.visit.count = world.visit.returned }
      return call(&world)
    case .irqsOn: return .return()
    }
  }

  private mutating func call(_ world: inout World) -> Step {
    let next = world.visit.returned
    guard next < world.visit.count else {
      world.visit.isDone = true
      return world.visit.place == .irqsOff ? ask(.enable(.irqs), then: .irqsOn) : .return()
    }
    return ask(.call(world.visit.frames[next]), then: .returned)
  }
}

extension Reply {
  /// Whether it says that nothing was had.
  var isNull: Bool {
    switch tag {
    case .address: address == .null
    case .pfn: pfn.isNone
    default: false
    }
  }
}

extension World {
  /// The frame of a device's hardirq: a program's, or the visit's.
  mutating func hardirqFrame(_ source: Int, on cpu: CPUID) -> Frame {
    source == Visit.source ? .visit(.start) : program.hardirqFrame(source, on: cpu)
  }

  /// The frame of a softirq's handler: a program's, or the visit's.
  func softirqFrame(_ vector: SoftIRQ, on cpu: CPUID) -> Frame {
    if visit.wants(vector) { return .visit(.start) }
    if program.deferred.count > 0, vector == .timer || vector == .tasklet || vector == .hi {
      return .deferredSoftIRQ(.start(vector))
    }
    return vector == .rcu ? .rcuCore(.start) : program.softirqFrame(vector, on: cpu)
  }
}

extension Machine {
  /// Has `cpu` call the functions of `frames` at `place`, from now on. One visit at a time.
  ///
  /// - Parameter endsAtNull: whether the first reply of a null address or no page ends it.
  package mutating func visit(
    _ cpu: CPUID, at place: Visit.Place, endsAtNull: Bool = false, _ frames: [Frame]
  ) {
    precondition(world.visit.isDone, "a visit while another is under way")
    if world.visit.frames.count < frames.count {
      world.visit.frames.grow(to: frames.count, .script(Script(from: 0, to: 0)))
      world.visit.replies.grow(to: frames.count, .none)
    }
    for (place, frame) in frames.enumerated() { world.visit.frames[place] = frame }
    (world.visit.count, world.visit.returned) = (frames.count, 0)
    (world.visit.place, world.visit.endsAtNull) = (place, endsAtNull)
    world.visit.isDone = false
    switch place {
    case .task, .irqsOff: start(.visit(.start), on: cpu, at: now)
    case .softirq, .hardirq: deviceInterrupts(cpu, source: Visit.source)
    }
  }
}
