import { useEffect, useState } from 'react';
import io from 'socket.io-client';

export function WebSocketChat() {
  const [socket, setSocket] = useState(null);
  const [response, setResponse] = useState('');
  
  useEffect(() => {
    const newSocket = io('http://localhost:5000');
    
    newSocket.on('chat_token', (data) => {
      setResponse(prev => prev + data.token);
    });
    
    newSocket.on('chat_complete', (data) => {
      console.log(`Complete: ${data.tokens} tokens in ${data.duration}s`);
    });
    
    setSocket(newSocket);
    return () => newSocket.close();
  }, []);
  
  const sendMessage = (msg) => {
    setResponse('');
    socket.emit('chat_stream', { message: msg, session_id: 'default' });
  };
  
  return (
    <div>
      <div className="response">{response}</div>
      <input 
        onKeyPress={e => e.key === 'Enter' && sendMessage(e.target.value)}
        placeholder="Ask something..."
      />
    </div>
  );
}
