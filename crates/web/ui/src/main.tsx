import './styles/mantine.css';
import 'virtual:theme.css';
import './styles/base.css';

import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { askStatus, createQueryClient } from './api/session';
import { App } from './app';
import { TextProvider } from './i18n';
import { theme } from './theme';

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');

const client = createQueryClient();
askStatus(client);

// No <style> elements at run time: the content security policy is `style-src 'self'`.
createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
      <TextProvider>
        <QueryClientProvider client={client}>
          <App />
        </QueryClientProvider>
      </TextProvider>
    </MantineProvider>
  </StrictMode>,
);
