import { useState } from 'react';

export function StreamingChat() {
  const [response, setResponse] = useState('');
  const [isLoading, setIsLoading] = useState(false);
  
  const handleStream = async (message) => {
    setIsLoading(true);
    setResponse('');
    
    try {
      const response = await fetch('/api/chat/stream', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ message, session_id: 'default' })
      });
      
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      
      while (true) {
        const { done, value } = await reader.read();
        if (done) break;
        
        const chunk = decoder.decode(value);
        for (const line of chunk.split('\n')) {
          if (line.startsWith('data: ')) {
            const data = JSON.parse(line.slice(6));
            if (data.token) {
              setResponse(prev => prev + data.token);
            }
          }
        }
      }
    } finally {
      setIsLoading(false);
    }
  };
  
  return (
    <div>
      <div className="response">{response}</div>
      <input 
        onKeyPress={e => e.key === 'Enter' && handleStream(e.target.value)}
        disabled={isLoading}
        placeholder="Ask something..."
      />
    </div>
  );
}
