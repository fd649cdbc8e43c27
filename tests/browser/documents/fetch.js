async function streamChat(message) {
  const response = await fetch('/api/chat/stream', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      message: message,
      session_id: 'default'
    })
  });
  
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let fullResponse = '';
  
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    
    const chunk = decoder.decode(value);
    for (const line of chunk.split('\n')) {
      if (line.startsWith('data: ')) {
        const data = JSON.parse(line.slice(6));
        
        if (data.token) {
          // Display token
          document.getElementById('response').textContent += data.token;
        }
        else if (data.done) {
          // Stream complete
          console.log(`Done! Generated ${data.tokens} tokens in ${data.duration}s`);
        }
      }
    }
  }
}

// Usage
streamChat('Tell me about machine learning');
