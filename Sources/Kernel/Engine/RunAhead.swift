import Hardware
import Simulation

/// Local run-ahead: how far the CPU whose turn it is may go on before the queue, in its own time.
///
/// What a path does behind an `.ahead` step reads nothing that another CPU may write, and nothing
/// reaches the CPU before the `horizon`. So the step can be performed where it was asked for: the
/// path goes on at once (`Path.run`), and a call that needs nothing but such steps answers without
/// a frame ever being pushed. With `isOn` false every step passes
/// the queue; figures are the same.
///
/// It does not know why nothing comes sooner: the machine sets the horizon, at each event and after
/// each step that could have moved it.
struct RunAhead: ~Copyable {
  let isOn: Bool
  /// The soonest time at which anything could reach the running CPU; zero with `isOn` false.
  var horizon: Instant
  /// The price of one piece of each kind of work.
  let prices: Buffer<Duration>
  /// The first step of a call that began ahead and could not end there. In storage of its own: as a
  /// field it would make every case of `Frame` part of the world's type (see `Pool.blank`).
  private var first: Buffer<Step>

  var firstStep: Step {
    get { first[0] }
    set { first[0] = newValue }
  }

  init(_ costs: Costs, isOn: Bool) {
    self.isOn = isOn
    horizon = .zero
    prices = costs.workTable()
    first = Buffer(1, .sync)
  }

  private init(cloning other: borrowing RunAhead) {
    (isOn, horizon) = (other.isOn, other.horizon)
    first = other.first.clone()
    prices = other.prices.clone()
  }
  func clone() -> RunAhead { RunAhead(cloning: self) }

  @inline(__always) func price(_ work: Work, _ times: Int32) -> Duration {
    prices[Int(work.rawValue)] * times
  }
}

extension World {
  /// Performs an `.ahead` step of `cpu` here and now if that is the same as through the queue: the
  /// clock of the running step moves on. Returns: whether it did.
  @inline(__always)
  mutating func passes(_ length: Duration, as category: TimeCategory, on cpu: CPUID) -> Bool {
    let end = now + length
    guard end < runAhead.horizon else { return false }
    cpus[cpu].fingerprint.mix(CPU.mixed(end, .computes))
    cpus[cpu].since = end
    now = end
    accounting.book(length, category, cpus[cpu].path)
    return true
  }

  /// What a path asks before an `.ahead` step on its hottest way: true if the time has passed
  /// already, so that the step need not be asked for.
  @inline(__always)
  mutating func goesAhead(_ work: Work, on cpu: CPUID) -> Bool {
    guard cpus[cpu].isUndisturbedTask, !hasComplaint else { return false }
    return passes(runAhead.price(work, 1), as: work.category, on: cpu)
  }
}

extension Path {
  /// Steps for as long as the CPU may go on at once. Returns: the first step that the machine must
  /// perform.
  @inline(__always)
  mutating func run(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    var reply = reply
    while true {
      let step = step(&world, on: cpu, reply)
      guard case .ahead(let work, let times) = step, world.cpus[cpu].isUndisturbedTask,
        !world.hasComplaint,
        world.passes(world.runAhead.price(work, times), as: work.category, on: cpu)
      else { return step }
      reply = .none
    }
  }
}
