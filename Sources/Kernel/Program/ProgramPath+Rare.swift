import Hardware
import Simulation

/// The ops that a hot loop has few of.
extension ProgramPath {
  @inline(never)
  mutating func interpretRare(
    _ op: Op, _ id: ID<ProgramState.Activation>, _ place: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step? {
    switch op {
    case .sleep(let distribution):
      var stream = world.program.activations[id].stream
      let length = world.program.draw(distribution, &stream)
      world.program.activations[id].stream = stream
      return ask(.sleep(Duration(picoseconds: length)), then: .go(id))
    case .userWork(let distribution):
      var stream = world.program.activations[id].stream
      let length = world.program.draw(distribution, &stream)
      world.program.activations[id].stream = stream
      world.cpus[cpu].yielding |= CPU.isInUser
      return ask(.run(Duration(picoseconds: length)), then: .ranInUser(id))
    case .whenContext(let predicate, let otherwise):
      if !predicate.holds(world.cpus[cpu]) { jump(id, to: otherwise, &world) }
    case .forget(let slot):
      let forgotten = world.program.index(of: slot, id)
      _ = world.program.take(forgotten, at: world.turn(of: cpu))
      world.program.notes[forgotten].freed = .null
    case .whenVmalloc(let slot, let otherwise):
      let asked = world.program.index(of: slot, id)
      let address = world.program.address(in: asked, at: world.turn(of: cpu))
      if !world.vmalloc.isVmalloc(address) { jump(id, to: otherwise, &world) }
    case .pickNext(let first, let count):
      if world.hasFilledAhead(id) { return again(id, place, &world) }
      let base = world.program.activations[id].slotBase + Int32(first.raw)
      let next = world.program.activations[id].picked - base + 1
      world.program.activations[id].picked = base + (next > 0 && next < count ? next : 0)
    case .choose(let choice): jump(id, to: draw(Int(choice), id, &world), &world)
    case .repeatBegin(let depth, let count):
      world.program.activations[id].loops[Int(depth)] = count
    case .repeatEnd(let depth, let begin):
      world.program.activations[id].loops[Int(depth)] -= 1
      if world.program.activations[id].loops[Int(depth)] > 0 { jump(id, to: begin, &world) }
    case .count(let counter): world.program.counters[Int(counter)] += 1
    case .handOver(let index):
      if world.isAhead { return again(id, place, &world) }
      return handOver(Int(index), id, &world, cpu)
    case .receive(let into):
      if world.isAhead { return again(id, place, &world) }
      return awaitMail(id, into, &world, cpu)
    case .scheduleWork, .scheduleDelayed, .flushWork, .taskletSchedule, .modTimer,
      .stopMachine:
      return putOff(op, id, place, &world, cpu)
    case .end: return end(id, &world, cpu)
    default: return interpretKernel(op, id, &world, cpu)
    }
    return nil
  }

  private func jump(_ id: ID<ProgramState.Activation>, to place: Int32, _ world: inout World) {
    world.program.activations[id].place = place
  }

  private func draw(
    _ index: Int, _ id: ID<ProgramState.Activation>, _ world: inout World
  ) -> Int32 {
    let choice = world.program.choices[index]
    let drawn = Int32(world.program.activations[id].stream.below(Int(choice.weight)))
    var place = Int(choice.first)
    while world.program.choiceWeights[place] <= drawn { place += 1 }
    return world.program.choicePlaces[place]
  }

  /// Ops that ask the kernel's core for something.
  private mutating func interpretKernel(
    _ op: Op, _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step? {
    switch op {
    case .lock(let lock, let irqs):
      return ask(.acquire(world.program.lock(lock, on: cpu), irqs: irqs), then: .go(id))
    case .unlock(let lock, let irqs):
      return ask(.release(world.program.lock(lock, on: cpu), irqs: irqs), then: .go(id))
    case .lockShared(let lock, let irqs):
      return ask(.acquireShared(world.program.lock(lock, on: cpu), irqs: irqs), then: .go(id))
    case .unlockShared(let lock, let irqs):
      return ask(.releaseShared(world.program.lock(lock, on: cpu), irqs: irqs), then: .go(id))
    case .tryLock(let lock, let irqs, let otherwise):
      return ask(
        .tryAcquire(world.program.lock(lock, on: cpu), irqs: irqs),
        then: .tryingLock(id, otherwise: otherwise))
    case .disable(let mask): return ask(.disable(mask), then: .go(id))
    case .enable(let mask): return ask(.enable(mask), then: .go(id))
    case .condResched: return ask(.condResched, then: .go(id))
    case .raise(let softirq): return ask(.raise(softirq), then: .go(id))
    default: return call(op, id, &world, cpu)
    }
  }

  private mutating func end(
    _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    guard world.program.activations[id].source >= 0 else { return .return() }
    return .return()
  }

  // MARK: Hand-overs

  private mutating func handOver(
    _ index: Int, _ id: ID<ProgramState.Activation>, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    world.program.activations[id].began = world.now
    let receiver = world.program.receiver(of: index, on: cpu)
    let line = world.program.boxLine(of: receiver, &world.lines)
    return ask(.touch(line), then: .boxHere(id, handOver: Int32(index)))
  }

  mutating func deliver(
    _ id: ID<ProgramState.Activation>, _ index: Int, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let handOver = world.program.handOvers[index]
    let receiver = world.program.receiver(of: index, on: cpu)
    guard world.program.send(handOver, from: id, to: receiver, at: world.turn(of: cpu)) else {
      if handOver.otherwise >= 0 { jump(id, to: handOver.otherwise, &world) }
      world.program.failures[Int(handOver.operation)] += 1
      return ask(.sync, then: .boxGiven(id, operation: handOver.operation))
    }
    let place = ProgramPath.boxGiven(id, operation: handOver.operation)
    guard world.program.threads[receiver].box.isAwaited else { return ask(.sync, then: place) }
    world.program.threads[receiver].box.isAwaited = false
    return ask(.wake(world.program.threads[receiver].task), then: place)
  }

  private mutating func awaitMail(
    _ id: ID<ProgramState.Activation>, _ into: SlotRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let thread = Int(world.program.activations[id].thread)
    let line = world.program.boxLine(of: thread, &world.lines)
    return ask(.touch(line), then: .mailHere(id, into: into))
  }

  mutating func receive(
    _ id: ID<ProgramState.Activation>, _ into: SlotRef, _ world: inout World, _ cpu: CPUID
  ) -> Step {
    let thread = Int(world.program.activations[id].thread)
    if world.program.takeMail(thread, into: world.program.index(of: into, id)) {
      return ask(.sync, then: .go(id))
    }
    world.program.threads[thread].box.isAwaited = true
    return ask(.block, then: .mailHere(id, into: into))
  }
}

extension ProgramState {
  /// The thread that a hand-over from `cpu` goes to: the group's threads in the order of CPUs.
  func receiver(of handOver: Int, on cpu: CPUID) -> Int {
    let group = groups[Int(handOvers[handOver].group)]
    return Int(group.first) + cpu.index % Int(group.count)
  }

  mutating func boxLine(of thread: Int, _ lines: inout CacheLines) -> LineID {
    if threads[thread].box.line.isNone { threads[thread].box.line = lines.make() }
    return threads[thread].box.line
  }

  /// Puts the objects of a hand-over into a box. Returns: false when the box is full.
  mutating func send(
    _ handOver: HandOver, from id: ID<Activation>, to thread: Int, at turn: UInt64
  ) -> Bool {
    guard threads[thread].box.count < ProgramState.boxMax else { return false }
    var message = Message()
    for place in 0..<Int(handOver.count) {
      let slot = index(of: handOver.slots[place], id)
      message.slots[place] = Slot(take(slot, at: turn))
      message.notes[place] = notes[slot]
      message.notes[place].freed = .null
    }
    message.count = handOver.count
    let mail = messages.take(message)
    let last = threads[thread].box.last
    if last.isNone { threads[thread].box.first = mail } else { messages[last].next = mail }
    threads[thread].box.last = mail
    threads[thread].box.count += 1
    return true
  }

  /// Takes the first message of a thread's box. Returns: false when there is none.
  mutating func takeMail(_ thread: Int, into slot: Int) -> Bool {
    let mail = threads[thread].box.first
    guard !mail.isNone else { return false }
    let message = messages[mail]
    for place in 0..<Int(message.count) {
      slots[slot + place] = message.slots[place]
      notes[slot + place] = message.notes[place]
    }
    threads[thread].box.first = message.next
    if message.next.isNone { threads[thread].box.last = .none }
    threads[thread].box.count -= 1
    messages.give(mail)
    return true
  }
}
