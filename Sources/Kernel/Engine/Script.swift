/// A list of steps as data: what tests ask for directly.
package struct Script: Path {
  package static var name: PathName { .script }
  private var at: Int32
  private let end: Int32
  package init(from start: Int, to end: Int) { (at, self.end) = (Int32(start), Int32(end)) }

  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    guard at < end else { return .return() }
    at += 1
    return world.scripts[Int(at) - 1]
  }
}
