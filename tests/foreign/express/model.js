// The way to the language model: OpenAI's client, which reads OPENAI_BASE_URL and OPENAI_API_KEY.
import OpenAI from 'openai'
import { Agent, fetch } from 'undici'

const silence = 1000 * Number(process.env.PROVIDER_TIMEOUT || 60) // ms
const dispatcher = new Agent({ connect: { timeout: silence }, headersTimeout: silence, bodyTimeout: silence })
const openai = new OpenAI({ maxRetries: 0, fetch, fetchOptions: { dispatcher } })

export class ModelFailed extends Error {}

/** Asks the model, and yields its reply piece by piece. Throws ModelFailed unless the model says that it is finished. */
export async function * ask (messages, signal) {
  try {
    const request = { model: process.env.OPENAI_MODEL || 'gpt-4o-mini', messages, stream: true }
    for await (const chunk of await openai.chat.completions.create(request, { signal })) {
      const choice = chunk.choices?.[0]
      if (choice?.delta?.content) yield choice.delta.content
      if (choice?.finish_reason) return // do not wait for the end of the body: some gateways leave it open
    }
  } catch (error) {
    if (!signal.aborted) console.error('The language model failed:', error)
    throw new ModelFailed('The language model failed. Please try again.')
  }
  throw new ModelFailed('The language model broke off. Please try again.')
}
