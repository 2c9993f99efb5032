/** The time as ISO 8601 text in milliseconds. Writes come many in one; its text is made once. */
export class IsoClock {
  private time = NaN
  private text = ''

  now(): string {
    const time = Date.now()
    if (time !== this.time) {
      this.time = time
      this.text = new Date(time).toISOString()
    }
    return this.text
  }
}
